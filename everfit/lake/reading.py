"""Read rows back: those of a batch, those of a snapshot, and those that came before or since."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from everfit.errors import DataError, InputError
from everfit.lake.columns import to_frame
from everfit.lake.landing import is_live, live_before
from everfit.lake.records import Batch, Landed, Snapshot, digest_of
from everfit.lake.state import State
from everfit.lake.table import Table
from everfit.reserved import BATCH, ID, REASON, ROW
from everfit.schema import kind_of
from everfit.sources.types import BOOL, DOUBLE, MOMENT, STRING

TYPES = {"boolean": BOOL, "number": DOUBLE, "string": STRING, "timestamp": MOMENT}


def of_snapshot(snapshot: Snapshot, columns: list[str] | None) -> pd.DataFrame:
    """Return a snapshot's rows, with _batch and _row; raise DataError when they are not those that it names."""
    state = Table(snapshot.uri).state(snapshot.version)
    counts, recorded = state.counts if state else {}, f"{snapshot.rows} rows and {snapshot.digest}"
    if state is None or digest_of(counts) != snapshot.digest:
        raise altered(snapshot.uri, snapshot.version, recorded, f"its digest is {digest_of(counts)}")
    names = [*(columns or (n for n in state.schema.names if n not in (BATCH, ROW))), BATCH, ROW]
    frame = to_frame(state.dataset().to_table(columns=names))
    if len(frame) != snapshot.rows:
        raise altered(snapshot.uri, snapshot.version, recorded, f"it holds {len(frame)} rows")
    return frame


def of_landed(landed: Landed, batches: Table, columns: list[str] | None) -> pd.DataFrame:
    """Return the good rows of a batch, with _row."""
    return to_frame(_part(landed.batch, batches.state(landed.version), columns))


def of_batch(batch: Batch, tables: Iterable[Table], columns: list[str] | None) -> pd.DataFrame:
    """Return all rows that were received, with _row: staged, or put together from the good and the quarantined."""
    try:
        return to_frame(pq.read_table(batch.path, columns=None if columns is None else [*columns, ROW]))
    except FileNotFoundError:
        states = [table.state() for table in tables]
    parts = [_part(batch, state, columns) for state in states if state is not None]
    if sum(map(len, parts)) != batch.rows:
        raise gone(batch)
    return to_frame(pa.concat_tables(parts, promote_options="permissive").sort_by(ROW))


def since(state: State | None, learnt: Snapshot, *, target: str, but: str) -> pd.DataFrame:
    """Return the rows of batches that landed after a snapshot, and those of its own that had no target."""
    if state is None:
        return pd.DataFrame()
    new = [digest for digest in state.counts if digest not in (*learnt.batches, but)]
    old = [digest for digest in state.counts if digest in learnt.batches and digest != but]
    blank = pads.field(target).is_null() if target in state.schema.names else None
    parts = [state.dataset(new).to_table(), state.dataset(old).to_table(filter=blank)]
    return to_frame(pa.concat_tables(parts))


def former(table: Table, batch: Batch) -> pd.DataFrame:
    """Return what was there from a batch's place before it landed, or what is there now if it has not."""
    state = table.state()
    if state and is_live(state, batch.digest):
        landing = state.landing(batch.digest)
        state = table.state(landing["version"] - 1)
        before = {*landing["replaced"], *landing["of_origin"]} - {batch.digest}
    else:
        before = set(live_before(state, batch)) if state else set()
    return to_frame(state.dataset(before).to_table()) if state and before else pd.DataFrame()


def replaced(now: State | None, learnt: Snapshot) -> pd.DataFrame:
    """Return the rows of a snapshot whose batches are not there any more."""
    then = Table(learnt.uri).state(learnt.version)
    lost = set(learnt.batches).difference(now.counts if now else ())
    return to_frame(then.dataset(lost).to_table()) if then and lost else pd.DataFrame()


def columns_of(state: State | None, names: Iterable[str]) -> pd.DataFrame:
    """Return some columns of every row; those that no batch had are left out."""
    held = [name for name in names if state and name in state.schema.names]
    return to_frame(state.dataset().to_table(columns=held)) if state and held else pd.DataFrame()


def reasons_of(state: State | None, digest: str) -> dict[int, str]:
    """Return why rows of a batch are in the quarantine, by their position."""
    if state is None:
        return {}
    table = state.dataset([digest]).to_table(columns=[ROW, REASON])
    return dict(zip(table[ROW].to_pylist(), table[REASON].to_pylist(), strict=True))


def gone(batch: Batch) -> InputError:
    """Say that a batch is nowhere."""
    return InputError(
        f"Batch {batch.digest[:12]} of {batch.model} is neither staged nor landed any more.",
        do=f"Ingest {batch.origin} again.",
    )


def altered(uri: str, version: int, recorded: str, found: str) -> DataError:
    """Say that a version holds other rows than it did."""
    return DataError(
        f"Version {version} of the table {uri} is not what was recorded: {found}, recorded are {recorded}.",
        why="A model that says it was trained on these rows can no longer be repeated.",
        do="Restore the lake from a backup.",
    )


def _part(batch: Batch, state: State | None, columns: list[str] | None) -> pa.Table:
    """Return one batch's rows in one table, in the kinds that the batch had."""
    if state is None:
        raise gone(batch)
    kinds = batch.schema.to_dict()
    answered = batch.live and ID in state.schema.names
    names = [*(columns or [*kinds, *([ID] if answered else [])]), ROW]
    spelt = {name.lower(): name for name in state.schema.names}
    table = state.dataset([batch.digest]).to_table(columns=[spelt[name.lower()] for name in names])
    table = table.rename_columns(names)
    fields = [
        c if kinds.get(c.name, kind_of(c)) == kind_of(c) else c.with_type(TYPES[kinds[c.name]]) for c in table.schema
    ]
    return table.cast(pa.schema(fields), safe=False)
