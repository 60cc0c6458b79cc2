"""Where answers go: a file that is whole or not there, or a table that one commit changes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from everfit.errors import EverfitError, InputError
from everfit.files import replacing, writing
from everfit.lake import export
from everfit.references import resolve
from everfit.sources.files import URI, address_of
from everfit.tables import WRITERS, stream


class File:
    """A Parquet or CSV file of this machine. `shown` is what people call it, with its date."""

    def __init__(self, path: Path, shown: str) -> None:
        self.path, self.address, self.shown = path, str(path), shown

    def is_there(self) -> bool:
        """Whether it exists."""
        return self.path.exists()

    def prove(self) -> None:
        """Raise InputError unless it can be written."""
        if self.path.is_dir():
            raise InputError(f"{self.path} is a folder.", do="Name a file in it.")
        _prove(self.path)

    def write(self, rows: pa.RecordBatchReader, job: str, *, then: Callable[[], None]) -> None:
        """Stream rows to it; once they are on disk do what comes `then`, and last of all put the file in its place.

        Whoever goes on with a job writes over what a killed run of it has left, and over nothing of anybody else.
        """
        with replacing(self.path, self._half(job)) as half:
            with half.open("wb") as out:
                stream(rows, out, self.path.suffix)
                out.flush()
                os.fsync(out.fileno())
            then()

    def clear(self, job: str) -> None:
        """Remove what a killed run of a job has left."""
        self._half(job).unlink(missing_ok=True)

    def _half(self, job: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{job}.half")


class DeltaTable:
    """A Delta table: a folder, or the `uri` of one in an object store, which may hold more than others may see."""

    def __init__(self, address: str, shown: str, uri: str = "") -> None:
        self.address, self.shown, self._uri = address, shown, uri or address
        self.path = None if URI.match(address) else Path(address)

    def is_there(self) -> bool:
        """Whether there is a table."""
        return export.is_there(self._uri)

    def prove(self) -> None:
        """Raise InputError for a place that is taken by something else, or cannot be written."""
        if self.path is None:
            return
        if self.path.exists() and not self.is_there() and (self.path.is_file() or self._is_taken()):
            raise InputError(f"{self.path} is there, and is no Delta table.", do="Name an empty folder, or a new one.")
        _prove(self.path)

    def write(self, rows: pa.RecordBatchReader, job: str, *, then: Callable[[], None]) -> None:
        """Stream rows to it; once they are there do what comes `then`, and last of all commit."""
        if self.path:
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                self.clear(job)
        export.write(self._uri, rows, job, then=then)

    def clear(self, job: str) -> None:
        """Remove what killed runs of a job have left in a folder; in a store such files stay, and nobody reads them."""
        if self.path:
            export.clear(self.path, job)

    def _is_taken(self) -> bool:
        assert self.path
        return not all(export.LEFT.fullmatch(path.name) for path in self.path.iterdir())


def open_output(said: str, base: Path, due: datetime) -> File | DeltaTable:
    """Return what an output stands for: by its ending a file, else a Delta table. Relative paths start at `base`.

    {date} and {time} are when the run was `due`, in UTC, and a URI may hold ${NAME}s of the environment. Raise
    InputError for what is neither.
    """
    named = said.replace("{date}", f"{due:%Y-%m-%d}").replace("{time}", f"{due:%H%M}")
    uri = resolve(named) if "://" in named else named
    address = address_of(uri, base)
    remote, suffix = bool(URI.match(address)), Path(address).suffix
    if remote and suffix not in WRITERS:
        return DeltaTable(address, named, uri)
    if not named or remote or (suffix and suffix not in WRITERS):
        raise InputError(
            f"Predictions cannot be written to '{said}'.",
            do="Name a .parquet or a .csv file, or the folder or URI of a Delta table.",
        )
    path, home = Path(address), base.resolve()
    shown = path.relative_to(home).as_posix() if path.is_relative_to(home) else address
    return _at(address, shown)


def clear(address: str, job: str) -> None:
    """Remove what a killed run of a job has left at an address; what cannot be removed harms nobody."""
    with suppress(OSError, EverfitError):
        _at(address, address).clear(job)


def _at(address: str, shown: str) -> File | DeltaTable:
    local = not URI.match(address) and Path(address).suffix in WRITERS
    return File(Path(address), shown) if local else DeltaTable(address, shown)


def _prove(path: Path) -> None:
    half = path.with_name(f".{uuid.uuid4().hex}.half")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        half.touch()
        half.unlink()
