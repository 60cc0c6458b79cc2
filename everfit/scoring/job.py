"""What a run has done so far, on disk: the next one with the same rows, model and output goes on from there."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from everfit.errors import InputError
from everfit.files import replacing
from everfit.lake import Batch
from everfit.locks import locked
from everfit.scoring.pieces import Piece
from everfit.settings import Settings

ABANDONED = 7 * 86_400.0  # seconds after which nobody will go on with what a killed run has left


class Job:
    """The parts that are done. `begun_anew` says why those of an earlier run were thrown away; empty if they were not.

    `id` names the job in all runs that it takes.
    """

    def __init__(self, folder: Path, id_: str, begun_anew: str) -> None:
        self.folder, self.id, self.begun_anew = folder, id_, begun_anew

    def part(self, piece: Piece) -> Path:
        """Return where the answers to a piece are, or will be."""
        return self.folder / piece.name

    def has(self, piece: Piece) -> bool:
        """Whether a piece is done; a file that a machine has lost the end of as it went down is not."""
        try:
            return int(pq.read_metadata(self.part(piece)).num_rows) == piece.rows
        except (OSError, pa.ArrowInvalid):
            return False

    def forget(self) -> None:
        """Remove everything, now that it is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def identity(model_version: int, batches: Sequence[Batch]) -> dict[str, Any]:
    """Return all that parts depend on, whose content is named by digests: nothing of it is believed by its name."""
    return {
        "champion": f"v{model_version}",
        "input": [[batch.digest, batch.rows] for batch in batches],
        "everfit": version("everfit"),
    }


@contextmanager
def opened(settings: Settings, model: str, address: str, same: Mapping[str, Any]) -> Iterator[Job]:
    """Be the one who writes to an address; raise InputError when somebody else does.

    `same` is the `identity` that earlier parts must have.
    """
    home = settings.folder("scoring", model)
    folder = home / hashlib.blake2b(address.encode(), digest_size=8).hexdigest()
    with locked(folder.with_suffix(".lock"), wait=False) as mine:
        if not mine:
            raise InputError(f"Another run writes to {address}.", do="Wait for it, or name another output.")
        _sweep(home)
        yield _resumed(folder, dict(same))


def _resumed(folder: Path, same: dict[str, Any]) -> Job:
    note, before = folder / "job.json", dict[str, Any]()
    if note.is_file():
        before = json.loads(note.read_text(encoding="utf-8"))
        changed = [f"the {name} is another one" for name in same if before[name] != same[name]]
        if not changed:
            return Job(folder, before["id"], "")
        shutil.rmtree(folder)
        before = {"why": ", ".join(changed)}
    id_ = uuid.uuid4().hex
    with replacing(note) as half:
        half.write_text(json.dumps(same | {"id": id_}), encoding="utf-8")
    return Job(folder, id_, before.get("why", ""))


def _sweep(home: Path) -> None:
    """Remove what runs have left that nobody went on with; whoever is at work has its lock."""
    for note in home.glob("*/job.json"):
        if note.stat().st_mtime < time.time() - ABANDONED:
            with locked(note.parent.with_suffix(".lock"), wait=False) as free:
                if free:
                    shutil.rmtree(note.parent)
