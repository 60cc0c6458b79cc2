"""Remember which files hold batches that have landed, so that a file that did not change is not read again."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import metadata
from pathlib import Path

from everfit.files import replacing
from everfit.lake.records import Batch
from everfit.schema import Schema


@cache
def reader() -> str:
    """Name the version of everfit: another one may read other values out of the same bytes."""
    return metadata.version("everfit")


def recall(folder: Path, incoming: Path, model: str, origin: str, stamp: str) -> Batch | None:
    """Return the batch that a file held when it had this stamp; None when that is not known, or not any more."""
    try:
        said = json.loads(_note(folder, origin).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a machine that went down may leave half a note
        return None
    if not stamp or (said["origin"], said["stamp"], said["reader"]) != (origin, stamp, reader()):
        return None
    path, kinds = incoming / f"{said['digest']}.parquet", Schema.from_dict(said["columns"])
    return Batch(model, path, said["digest"], said["rows"], origin, kinds, said["infinite"])


def remember(folder: Path, batch: Batch, stamp: str) -> None:
    """Note the stamp that a file had before it was read as this batch; a file without one is read each time."""
    if not stamp:
        return
    said = {
        "origin": batch.origin,
        "stamp": stamp,
        "reader": reader(),
        "digest": batch.digest,
        "rows": batch.rows,
        "columns": batch.schema.to_dict(),
        "infinite": dict(batch.infinite),
    }
    with replacing(_note(folder, batch.origin)) as half:
        half.write_text(json.dumps(said), encoding="utf-8")


def _note(folder: Path, origin: str) -> Path:
    return folder / f"{hashlib.blake2b(origin.encode(), digest_size=16).hexdigest()}.json"
