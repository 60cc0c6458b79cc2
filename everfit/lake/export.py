"""Write a Delta table for others: plain columns, rows in their order, and no bookkeeping of ours."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, create_table_with_add_actions

from everfit.errors import EverfitError, InputError, Unavailable, is_full, last_line
from everfit.sources.files import address_of

LEFT = re.compile(r"[0-9a-f]{32}-[0-9a-f]{8}\.parquet(#\d+)?")  # by runs that were killed, where no commit names it


def is_there(uri: str) -> bool:
    """Whether there is a table at an address."""
    with _door(uri):
        try:
            DeltaTable(uri)
        except TableNotFoundError:
            return False
    return True


def write(uri: str, rows: pa.RecordBatchReader, job: str, *, then: Callable[[], None]) -> None:
    """Stream rows to a data file, do what comes `then`, and make them the table's content by one commit.

    Without it nothing has changed: nobody reads a file that no commit names. Its name begins with the `job`.
    """
    path, made = f"{job}-{uuid.uuid4().hex[:8]}.parquet", False
    try:
        size, count = _write(uri, path, rows)
        then()
        _commit(uri, rows.schema, AddAction(path, size, {}, _now(), True, json.dumps({"numRecords": count})))
        made = True
    finally:
        if not made:
            with suppress(OSError, DeltaError):
                _files(uri).delete_file(path)


def clear(folder: Path, job: str) -> None:
    """Remove what killed runs of a job have left in a folder: its files that the table there does not name."""
    if left := list(folder.glob(f"{job}-*")):
        named = DeltaTable(str(folder)).file_uris() if is_there(str(folder)) else []
        for path in left:
            if path.name not in {uri.rpartition("/")[2] for uri in named}:
                path.unlink()


def _write(uri: str, path: str, rows: pa.RecordBatchReader) -> tuple[int, int]:
    """Return the size of the file in bytes, and how many rows it has."""
    count = 0
    with _door(uri), _files(uri).open_output_stream(path, buffer_size=4 << 20) as out:
        with pq.ParquetWriter(out, rows.schema, compression="zstd", compression_level=1) as writer:
            for batch in rows:
                writer.write_batch(batch)
                count += batch.num_rows
        return out.tell(), count


def _commit(uri: str, schema: pa.Schema, add: AddAction) -> None:
    """Create the table, or replace it whatever columns and partitions it had; its history stays."""
    with _door(uri):
        create_table_with_add_actions(uri, Schema.from_arrow(schema), [add], mode="overwrite", partition_by=[])


def _files(uri: str) -> pafs.FileSystem:
    return pafs.PyFileSystem(DeltaStorageHandler(uri))


def _now() -> int:
    return int(time.time() * 1000)


@contextmanager
def _door(uri: str) -> Iterator[None]:
    """Turn what the storage says into one clear error."""
    try:
        yield
    except EverfitError:
        raise
    except (OSError, DeltaError) as cause:
        shown = address_of(uri, Path())  # without secrets
        what = f"The table at {shown} cannot be written: {last_line(cause)}."
        if is_full(cause):
            raise Unavailable(what, do="Make room, and run the same command again.") from cause
        if "://" in uri and not uri.startswith("file://"):
            raise Unavailable.at("The table", shown, cause) from cause
        raise InputError(what, do="Name a folder that can be written, and is empty or a Delta table.") from cause
