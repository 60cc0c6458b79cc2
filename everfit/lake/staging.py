"""Bring a source into one local Parquet file in the lake's types, and name it by a hash of its content."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everfit.errors import EverfitError, InputError, SourceError, Unavailable, is_full
from everfit.lake.columns import write_rows
from everfit.lake.records import Batch
from everfit.reserved import ID, ROW
from everfit.schema import Schema
from everfit.sources import Source, Widened
from everfit.sources.base import Untyped, no_rows
from everfit.sources.types import DOUBLE, INT, MOMENT, NULL, STRING

PASSES = 4
STALE = 24 * 3600.0
_OURS: dict[Path, BinaryIO] = {}  # what we staged apart is locked, and the lock ends with us, whatever ends us


class Digest:
    """A hash of rows, however they are cut into blocks and their columns ordered. 32 hex digits."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._parts = [(hashlib.blake2b(), hashlib.blake2b(), hashlib.blake2b()) for _ in schema]

    def update(self, batch: pa.RecordBatch) -> None:
        """Take in some more rows."""
        for column, (valid, values, lengths) in zip(batch.columns, self._parts, strict=True):
            valid.update(_bytes(pc.is_valid(column)))
            if column.type == STRING:
                lengths.update(_bytes(pc.binary_length(pc.fill_null(column, ""))))
                values.update(_text(pc.fill_null(column, "")))
            elif column.type != NULL:
                values.update(_bytes(column))

    def hexdigest(self) -> str:
        """Name everything that was taken in, the names and types of the columns included."""
        whole = hashlib.blake2b(digest_size=16)
        columns = zip(self._schema, self._parts, strict=True)
        for column, parts in sorted(columns, key=lambda pair: pair[0].name):
            whole.update(f"{column.name}\0{column.type}\0".encode())
            for part in parts:
                whole.update(part.digest())
        return whole.hexdigest()


def stage(model: str, source: Source, folder: Path, known: pa.Schema | None, *, apart: bool = False) -> Batch:
    """Stream a source to `folder/<digest>.parquet`, or a file `apart`, which appears whole or not at all.

    `known` are the columns of the model's table. A column without any value takes their type, and so does one
    of integers that the table knows as text, when it comes from text, where `12` may be either; dates that the table
    knows as text stay as they are written. None of it changes the digest. A source without rows is a batch of its
    place, for the rules to refuse; for whoever stages it `apart` it is a SourceError.
    """
    mine = uuid.uuid4().hex
    half = folder / f".{mine}.part"
    with _room(folder):
        try:
            _sweep(folder)
            written = _write(source, half, known)
            if apart and not written.rows:
                raise no_rows(source.origin)
            path = folder / (f"{written.digest}-{mine}.parquet" if apart else f"{written.digest}.parquet")
            put = _put_as_ours if apart else _put
            put(half, path)
        finally:
            half.unlink(missing_ok=True)
    kinds = Schema.of(pa.schema([c for c in written.schema if c.type != NULL])).without([ROW, ID])
    told = {"typed": source.typed, "whole": source.whole}
    return Batch(model, path, written.digest, written.rows, source.origin, kinds, written.infinite, **told)


def discard(path: Path) -> None:
    """Remove a staged file that nobody needs any more."""
    path.unlink(missing_ok=True)
    if held := _OURS.pop(path, None):
        held.close()


class _Written:
    """One pass over a source into one file."""

    def __init__(self, reader: pa.RecordBatchReader, adopted: pa.Schema, origin: str) -> None:
        self.schema, self.origin = adopted, origin
        self.rows = 0
        self.infinite: dict[str, int] = {}
        self._digest = Digest(reader.schema)

    def take(self, batch: pa.RecordBatch, stored: pa.RecordBatch | None = None) -> pa.RecordBatch:
        """Count and hash some rows as they came, and return them numbered, or what is stored in their place."""
        self._digest.update(batch)
        self._count_infinite(batch)
        positions = pa.array(np.arange(self.rows, self.rows + batch.num_rows), INT)
        self.rows += batch.num_rows
        return (batch if stored is None else stored).append_column(pa.field(ROW, INT), positions)

    def _count_infinite(self, batch: pa.RecordBatch) -> None:
        for column, values in zip(batch.schema, batch.columns, strict=True):
            if column.type == DOUBLE and (count := pc.sum(pc.is_inf(values)).as_py()):
                self.infinite[column.name] = self.infinite.get(column.name, 0) + count

    @property
    def digest(self) -> str:
        """The name of what was written; two places that hold nothing do not hold the same."""
        nothing = hashlib.blake2b(self.origin.encode(), digest_size=16)
        return self._digest.hexdigest() if self.rows else nothing.hexdigest()


def _write(source: Source, half: Path, known: pa.Schema | None) -> _Written:
    """Write until the types fit every block."""
    for _ in range(PASSES):
        try:
            return _one_pass(source, half, known)
        except Widened:
            continue
    raise SourceError(f"{source.origin} changes while it is being read.", do="Read from something that stands still.")


def _one_pass(source: Source, half: Path, known: pa.Schema | None) -> _Written:
    reader = source.reader()
    stored = _stored(source, reader.schema, known)
    adopted = _adopted(stored.schema if stored else reader.schema, known, source.typed)
    written = _Written(reader, adopted, source.origin)
    with half.open("wb") as out:
        write_rows(out, written.schema, map(written.take, reader, *([stored] if stored else [])))
        out.flush()
        os.fsync(out.fileno())
    return written


def _stored(source: Source, came: pa.Schema, known: pa.Schema | None) -> pa.RecordBatchReader | None:
    """Return the same rows with dates as they are written, where the table knows them as text; None without any."""
    text = {column.name for column in known or () if column.type == STRING}
    dates = [column.name for column in came if column.type == MOMENT and column.name in text]
    return source.as_text(dates, came) if dates and isinstance(source, Untyped) else None


def _adopted(came: pa.Schema, known: pa.Schema | None, typed: bool) -> pa.Schema:
    """Return the types to store: those that came, or the table's where what came leaves them open."""
    table = {} if known is None else dict(zip(known.names, known.types, strict=True))
    columns = []
    for column in came:
        there = table.get(column.name)
        open_ = column.type == NULL or (column.type == INT and there == STRING and not typed)
        columns.append(pa.field(column.name, there if there is not None and open_ else column.type))
    return pa.schema([*columns, pa.field(ROW, INT)])


def _bytes(array: Any) -> Any:
    """Return the values of one column as bytes; nulls read as zero."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if pa.types.is_timestamp(array.type):
        array = array.cast(INT)
    filled = pc.fill_null(array, 0) if array.null_count else array
    return np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).view("uint8").data


def _text(array: Any) -> Any:
    """Return the characters of a column without nulls, one value after the other."""
    if not len(array):
        return b""
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, "int32")[array.offset : array.offset + len(array) + 1]
    return b"" if data is None else memoryview(data)[starts[0] : starts[-1]]


def _sweep(folder: Path) -> None:
    """Remove what runs that were killed left behind: what was for one of them once it is free, the rest in a day."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another run may have put it in its place, or swept it
            if _is_free(path) if "-" in path.name else path.stat().st_mtime < time.time() - STALE:
                path.unlink()


def _put_as_ours(half: Path, path: Path) -> None:
    """Put a file in its place, locked before others can see it there."""
    with ExitStack() as until_placed:
        held = until_placed.enter_context(half.open("r+b"))
        fcntl.flock(held, fcntl.LOCK_EX)
        _put(half, path)
        until_placed.pop_all()
    _OURS[path] = held


def _is_free(path: Path) -> bool:
    """Whether nobody holds a file; one of another user may not even be readable, and is left to its owner."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _put(half: Path, path: Path) -> None:
    half.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except EverfitError:
        raise
    except OSError as cause:
        raise (Unavailable if is_full(cause) else InputError)(
            f"{folder} cannot be written: {cause.strerror or cause}.",
            why="Nothing was ingested.",
            do="Make room, or set EVERFIT_HOME to a folder that has some.",
        ) from cause
