"""The only door to Delta Lake: tables that change by whole batches, each change being one commit that happens or not.

Every table is partitioned by `_batch`, and a batch is one data file (or none), written here and then named by a
commit. So a batch is replaced without touching the others, counted without reading it, and read in its own order.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import BinaryIO

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from everfit.errors import EverfitError, InputError, Unavailable, is_full, last_line
from everfit.lake.columns import copy, fits, merge, stored, write_rows
from everfit.lake.records import Change
from everfit.lake.state import File, State
from everfit.reserved import BATCH

ATTEMPTS = 50
DOORS = {
    "read": {"do": "Make it readable for this user; when its files are damaged, restore the lake from a backup."},
    "written": {
        "why": "Nothing was landed; no batch is lost.",
        "do": "Make room or make it writable, and run the same command again.",
    },
}
# A snapshot must stay readable for as long as a model lives, so nothing ever expires by itself.
KEEP = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}
# Of a table that is read as it is now, what was before goes once no reader is at it; the rows that are in it stay.
GO = {
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
    "delta.enableExpiredLogCleanup": "true",
    "delta.setTransactionRetentionDuration": "interval 365 days",  # of marks that fade
}


class Table:
    """One Delta table by its address, which may be a folder or an object store."""

    def __init__(self, uri: str, *, forever: bool = True) -> None:
        self.uri = uri
        self._retention = KEEP if forever else GO

    def state(self, version: int | None = None) -> State | None:
        """Return the table at a version, the newest when none is said; None when there is no table yet."""
        with self._door("read"):
            try:
                return State(DeltaTable(self.uri, version=version))
            except TableNotFoundError:
                return None

    def commit(self, schema: pa.Schema, decide: Callable[[State], Change | None]) -> tuple[State, bool]:
        """Make the change that `decide` wants, looking again whenever somebody else was faster.

        Return the table as it then is, and whether a commit was made; `decide` returns None when there is nothing
        left to do. Raise Unavailable when others are always faster.
        """
        with self._door("written"):
            for attempt in range(ATTEMPTS):
                table = self._open(schema)
                read = table.version()
                change = decide(State(table))
                if change is None:
                    return State(table), False
                try:
                    if self._apply(table, change):
                        return State(DeltaTable(self.uri, version=read + 1)), True
                except CommitFailedError:
                    time.sleep(min(0.01 * 1.3**attempt, 1.0))
        raise Unavailable(f"{self.uri} is being written by others all the time.", do="Run the same command again.")

    def sweep(self) -> None:
        """Remove the files that no version of the last day names, those of killed writers too.

        How long it keeps them is the table's own property: of one whose versions stay readable, nothing ever goes.
        """
        with self._door("written"):
            DeltaTable(self.uri).vacuum(dry_run=False, full=True)

    def _open(self, schema: pa.Schema) -> DeltaTable:
        try:
            return DeltaTable(self.uri)
        except TableNotFoundError:
            pass
        try:
            return DeltaTable.create(self.uri, stored(schema), partition_by=[BATCH], configuration=self._retention)
        except DeltaError:
            return DeltaTable(self.uri)  # another process has just made it

    def _apply(self, table: DeltaTable, change: Change) -> bool:
        """Make the change; False when the table had to be altered first, after which one has to look again."""
        if not self._retention.items() <= table.metadata().configuration.items():
            table.alter.set_table_properties(self._retention)
            return False
        state = State(table)
        merged = merge(state.schema, change.schema)
        rewrite = any(column.type != merged.field(column.name).type for column in state.schema)
        if not rewrite and len(merged) > len(state.schema):
            table.alter.add_columns([Field.from_arrow(column) for column in list(merged)[len(state.schema) :]])
            return False
        adds = self._files_of(state, merged, change, rewrite)
        try:
            self._commit(table, merged, adds, change, rewrite)
        except CommitFailedError:
            named = {file.path for file in State(DeltaTable(self.uri)).files}
            self._discard(add.path for add in adds if add.path not in named)
            raise
        return True

    def _files_of(self, state: State, schema: pa.Schema, change: Change, rewrite: bool) -> list[AddAction]:
        """Write the change's rows and, when a column's type gets wider, every row that stays, in the wider types."""
        adds: list[AddAction] = []
        stays = [batch for batch in state.counts if batch not in change.drop] if rewrite else []
        try:
            if change.rows is not None:
                adds += self._write(change.batch, schema, change.rows, change.ready)
            for batch in stays:
                adds += self._write(batch, schema, partial(state.stream, batch))
        except BaseException:
            self._discard(add.path for add in adds)
            raise
        return adds

    def _commit(
        self, table: DeltaTable, schema: pa.Schema, adds: list[AddAction], change: Change, rewrite: bool
    ) -> None:
        """Make one commit, and only when nobody else made one since `table` was opened."""
        heard = _now() if change.fades else None
        removes = [] if rewrite else [_remove(file) for file in State(table).files if file.batch in change.drop]
        table.create_write_transaction(
            [*removes, *adds],
            "overwrite" if rewrite else "append",
            schema,
            partition_by=[BATCH],
            commit_properties=CommitProperties(
                custom_metadata={"facts": json.dumps(dict(change.facts))},
                max_commit_retries=0,
                app_transactions=[Transaction(*mark, heard) for mark in change.marks.items()],
            ),
        )

    def _write(
        self,
        batch: str,
        schema: pa.Schema,
        rows: Callable[[], Iterable[pa.RecordBatch]],
        ready: BinaryIO | None = None,
    ) -> list[AddAction]:
        """Write one data file; none when there is no row."""
        held = pa.schema([column for column in schema if column.name != BATCH])
        path = f"{BATCH}={batch}/{uuid.uuid4().hex}.parquet"
        try:
            with self._files().open_output_stream(path, buffer_size=4 << 20) as out:
                whole = ready is not None and fits(pq.read_schema(ready), held)
                count = copy(ready, out) if ready is not None and whole else write_rows(out, held, rows())
                size = out.tell()
        except BaseException:
            self._discard([path])
            raise
        if not count:
            self._discard([path])
            return []
        return [AddAction(path, size, {BATCH: batch}, _now(), True, json.dumps({"numRecords": count}))]

    def _discard(self, paths: Iterable[str]) -> None:
        """Remove files that no commit names. Failing to is harmless, as nobody reads them."""
        system = self._files()
        for path in paths:
            with suppress(OSError, DeltaError):
                system.delete_file(path)

    def _files(self) -> pafs.FileSystem:
        return pafs.PyFileSystem(DeltaStorageHandler(self.uri))

    @contextmanager
    def _door(self, done: str) -> Iterator[None]:
        """Turn what the storage says into one clear error."""
        try:
            yield
        except EverfitError:
            raise
        except Exception as cause:
            if not isinstance(cause, OSError | DeltaError) and type(cause) is not Exception:
                raise  # delta-rs raises a bare Exception where it has no name for what is wrong
            what = f"The lake at {self.uri} cannot be {done}: {last_line(cause)}."
            if is_full(cause):
                raise Unavailable(what, **DOORS[done]) from cause
            if "://" in self.uri and not self.uri.startswith("file://"):
                raise Unavailable.at("The lake", self.uri, cause) from cause
            raise InputError(what, **DOORS[done]) from cause


def _remove(file: File) -> RemoveAction:
    return RemoveAction(file.path, True, _now(), file.size, {BATCH: file.batch})


def _now() -> int:
    return int(time.time() * 1000)
