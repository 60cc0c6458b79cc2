"""What a run has done so far, on disk: the next one with the same rows, model and output goes on from there."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from everfit.errors import InputError
from everfit.files import replacing
from everfit.lake import Batch
from everfit.locks import locked
from everfit.scoring.outputs import clear
from everfit.scoring.pieces import Piece
from everfit.settings import Settings
from everfit.spec import ModelSpec

NOTE = "job.json"
ABANDONED = 7 * 86_400.0  # seconds after which nobody will go on with what a killed run has left


class Job:
    """The parts that are done, in a folder that is named by all that they depend on.

    `begun_anew` says why those of an earlier run were thrown away; empty if they were not. `id` names the job in all
    runs that it takes.
    """

    def __init__(self, folder: Path, id_: str, begun_anew: str) -> None:
        self.folder, self.id, self.begun_anew = folder, id_, begun_anew

    def part(self, piece: Piece) -> Path:
        """Return where the answers to a piece are, or will be."""
        return self.folder / piece.name

    def todo(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return the pieces that are not done; a file that a machine has lost the end of as it went down is not."""
        return [piece for piece in pieces if not self._has(piece)]

    def _has(self, piece: Piece) -> bool:
        try:
            return int(pq.read_metadata(self.part(piece)).num_rows) == piece.rows
        except (OSError, pa.ArrowInvalid):
            return False

    def forget(self) -> None:
        """Remove everything, now that it is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def identity(spec: ModelSpec, model_version: int, batches: Sequence[Batch]) -> dict[str, Any]:
    """Return all that parts depend on, whose content is named by digests: nothing of it is believed by its name."""
    return {
        "model": spec.name,
        "champion": f"v{model_version}",
        "input": [[batch.digest, batch.rows] for batch in batches],
        "list of personal columns": sorted(spec.data.personal),
        "everfit": version("everfit"),
    }


@contextmanager
def alone(settings: Settings, address: str, shown: str) -> Iterator[None]:
    """Be the only one of this home who writes to an address, whatever the model; raise InputError when another does.

    What is asked about the address inside stays true until the end: whether something is there, or `unfinished`.
    """
    home, name = settings.folder("scoring"), _name(address)
    with ExitStack() as held:
        with locked(home / ".lock"):  # nobody takes a lock while another one removes it
            _sweep(home)
            mine = held.enter_context(locked(home / f"{name}.lock", wait=False))
        if not mine:
            raise InputError(f"Another run writes to {shown}.", do="Wait for it, or name another output.")
        yield


def unfinished(settings: Settings, address: str) -> bool:
    """Whether a run began to write to an address and did not come to its end."""
    return bool(_folders(settings.folder("scoring"), _name(address)))


def resumed(settings: Settings, address: str, same: Mapping[str, Any]) -> Job:
    """Return the job of whoever is `alone` with an address; `same` is the `identity` that earlier parts must have."""
    home, name = settings.folder("scoring"), _name(address)
    folder, why = home / f"{name}.{_name(json.dumps(same, sort_keys=True))}", ""
    for other in _folders(home, name):
        if other != folder:
            before = _noted(other)
            changed = [f"the {key} is another one" for key in same if before.get(key) != same[key]]
            why = ", ".join(changed) if before else "nothing says what it was about"
            _drop(other)
    if not (id_ := _noted(folder).get("id", "")):
        id_ = uuid.uuid4().hex
        with replacing(folder / NOTE) as half:
            half.write_text(json.dumps(dict(same) | {"id": id_, "output": address}), encoding="utf-8")
    return Job(folder, id_, why)


def _noted(folder: Path) -> dict[str, Any]:
    """Read back what a job is about; nothing where a machine that went down has lost it."""
    try:
        return dict(json.loads((folder / NOTE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _sweep(home: Path) -> None:
    """Remove what runs have left that nobody went on with, and their locks; whoever is at work has its lock."""
    for lock in home.glob("[!.]*.lock"):
        with locked(lock, wait=False) as free:
            if free:
                for folder in _folders(home, lock.stem):
                    if folder.stat().st_mtime < time.time() - ABANDONED:
                        _drop(folder)
                if not _folders(home, lock.stem):
                    lock.unlink()


def _drop(folder: Path) -> None:
    """Remove the parts of a job, and what a killed run of it has left at its output."""
    if note := _noted(folder):
        clear(note["output"], note["id"])
    shutil.rmtree(folder)


def _folders(home: Path, name: str) -> list[Path]:
    return [path for path in home.glob(f"{name}*") if path.is_dir()]


def _name(said: str) -> str:
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
