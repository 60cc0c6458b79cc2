"""What was predicted: one more table, kept as strictly as the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads

from everfit.lake.columns import to_frame
from everfit.lake.records import Change
from everfit.lake.state import State
from everfit.lake.table import Table
from everfit.reserved import ANSWER, AT, BATCH, ID, PREDICTION_ID, REASON, ROW, SHARE, VERSION
from everfit.sources.types import INT, MOMENT, lake_schema, to_lake

OURS = {BATCH, ROW, REASON, VERSION, AT}


def record(table: Table, frame: pd.DataFrame, *, version: int, batch_digest: str) -> bool:
    """Append what one version said about one batch, once; whether this call did."""
    rows = to_table(frame)
    return record_rows(table, rows.schema, rows.to_batches, version=version, batch_digest=batch_digest)


def record_rows(
    table: Table, schema: pa.Schema, rows: Callable[[], Iterable[pa.RecordBatch]], *, version: int, batch_digest: str
) -> bool:
    """Append rows that nobody holds in memory; they are in the lake's types, and numbered by _row.

    `rows` is called again whenever somebody else was faster.
    """
    ours = {VERSION: (version, INT), AT: (datetime.now(UTC).replace(tzinfo=None), MOMENT)}
    whole = pa.schema([*schema, *((name, kind) for name, (_, kind) in ours.items())])
    mark = f"{batch_digest}/v{version}"

    def decide(state: State) -> Change | None:
        if state.mark(mark) == 1:
            return None
        return Change(batch_digest, whole, lambda: (_with(each, ours) for each in rows()), marks={mark: 1})

    return table.commit(whole, decide)[1]


def read(
    table: Table, *, version: int | None, batch_digest: str | None = None, since: datetime | None = None
) -> pd.DataFrame:
    """Return what was said, with _batch, _row, _version and _at; with `since`, what was kept from then on."""
    state = table.state()
    if state is None:
        return pd.DataFrame(columns=[BATCH, ROW, VERSION, AT])
    only = None if since is None else _later(since)
    if version is not None:
        only = pads.field(VERSION) == version if only is None else only & (pads.field(VERSION) == version)
    return in_order(state.dataset(None if batch_digest is None else [batch_digest]).to_table(filter=only))


def said(
    table: Table,
    names: Iterable[str | None],
    *,
    version: int | None = None,
    wanted: Callable[[pd.DataFrame], np.ndarray] | None = None,
) -> pd.DataFrame:
    """Return what was said with these columns of the rows, _version, _at, and an answer's id as _prediction_id.

    `wanted` says of some rows at a time which of them are; only those are ever in memory together.
    """
    state = table.state()
    if state is None:
        return pd.DataFrame(columns=[BATCH, VERSION, AT])
    held = _answers(state, names)
    only = None if version is None else pads.field(VERSION) == version
    scan = state.dataset().scanner(columns=held, filter=only, batch_readahead=1, fragment_readahead=1)
    if wanted is None:
        return _named(scan.to_table())
    parts = [part.filter(pa.array(wanted(_named(pa.Table.from_batches([part]))))) for part in scan.to_batches()]
    return _named(pa.Table.from_batches(parts, scan.projected_schema))


def _named(rows: pa.Table) -> pd.DataFrame:
    return to_frame(rows).rename(columns={PREDICTION_ID: ID})


def in_parts(
    table: Table, names: Iterable[str | None], *, versions: Sequence[int], since: datetime
) -> Iterator[pd.DataFrame]:
    """Yield, some at a time, what these versions have said since then, with the columns that `said` returns."""
    state = table.state()
    if state is None:
        return
    only = pads.field(VERSION).isin(list(versions)) & _later(since)
    wanted = _answers(state, names)
    for rows in state.dataset().to_batches(columns=wanted, filter=only, batch_readahead=2, fragment_readahead=1):
        if rows.num_rows:
            yield _named(pa.Table.from_batches([rows]))


def _answers(state: State, names: Iterable[str | None]) -> list[str]:
    wanted = {*names, ANSWER, PREDICTION_ID, VERSION, AT}
    return [name for name in state.schema.names if name in wanted or name.startswith(SHARE)]


def _later(since: datetime) -> pads.Expression:
    return pads.field(AT) >= pa.scalar(since.astimezone(UTC).replace(tzinfo=None), MOMENT)


def to_table(frame: pd.DataFrame) -> pa.Table:
    """Return a frame in the lake's types, numbered by _row."""
    table = pa.Table.from_pandas(frame, preserve_index=False).combine_chunks()
    columns = [
        to_lake(column.combine_chunks(), name) for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    typed = pa.table(columns, schema=lake_schema(table.schema).remove_metadata())
    return typed if ROW in typed.column_names else typed.append_column(ROW, pa.array(np.arange(len(typed)), INT))


def in_order(table: pa.Table) -> pd.DataFrame:
    """Return a frame whose bookkeeping columns come last."""
    last = sorted(OURS.intersection(table.column_names))
    return to_frame(table.select([*_theirs(table), *last]))


def _theirs(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name not in OURS]


def _with(rows: pa.RecordBatch, constants: dict[str, tuple[object, pa.DataType]]) -> pa.RecordBatch:
    for name, (value, kind) in constants.items():
        rows = rows.append_column(pa.field(name, kind), pa.repeat(pa.scalar(value, kind), rows.num_rows))
    return rows
