"""What was predicted, and what turned out to be true: two more tables, kept as strictly as the batches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from everfit.errors import InputError
from everfit.lake.columns import BATCH, ROW
from everfit.lake.state import State
from everfit.lake.table import Change, Table
from everfit.sources.types import INT, MOMENT, STRING, lake_schema, to_lake

VERSION, AT, KEY, ORDER = "_version", "_at", "_key", "_order"
OURS = {BATCH, ROW, "_reason", VERSION, AT, KEY, ORDER}


def record_predictions(table: Table, frame: pd.DataFrame, *, version: int, batch_digest: str) -> bool:
    """Append what one version said about one batch, once; whether this call did."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = _with(to_table(frame), {VERSION: (version, INT), AT: (now, MOMENT)})
    mark = f"{batch_digest}/v{version}"

    def decide(state: State) -> Change | None:
        done = state.mark(mark) == 1
        return None if done else Change(batch_digest, rows.schema, rows.to_batches, marks={mark: 1})

    return table.commit(rows.schema, decide)[1]


def predictions(table: Table, *, version: int | None, batch_digest: str | None) -> pd.DataFrame:
    """Return what was said, with _batch, _row, _version and _at."""
    state = table.state()
    if state is None:
        return pd.DataFrame(columns=[BATCH, ROW, VERSION, AT])
    frame = in_order(state.dataset(None if batch_digest is None else [batch_digest]).to_table())
    return frame if version is None else frame[frame[VERSION] == version].reset_index(drop=True)


def record_labels(table: Table, frame: pd.DataFrame, ids: Sequence[str]) -> int:
    """Append the labels that are new or differ from what is known for their ids; how many those were."""
    if missing := [name for name in ids if name not in frame.columns]:
        raise InputError(f"Labels need the id column(s) {', '.join(missing)}.", do="Add them to the file of labels.")
    rows = _with(to_table(frame.drop_duplicates(list(ids), keep="last")), {})
    keys = [
        json.dumps(list(values)) for values in zip(*(rows[name].cast(STRING).to_pylist() for name in ids), strict=True)
    ]
    rows = rows.append_column(KEY, pa.array(keys, STRING))
    digest = hashlib.blake2b("\n".join(keys).encode(), digest_size=16).hexdigest()
    added: list[int] = []

    def decide(state: State) -> Change | None:
        new = _changed(rows, _latest(state))
        added[:] = [len(new)]
        if not len(new):
            return None
        numbered = _with(new, {ORDER: (state.version + 1, INT)})
        return Change(digest, numbered.schema, numbered.to_batches)

    table.commit(_with(rows, {ORDER: (0, INT)}).schema, decide)
    return added[0]


def labels(table: Table, *, history: bool) -> pd.DataFrame:
    """Return the latest label of every id, or with `history` all that ever came, oldest first."""
    state = table.state()
    if state is None:
        return pd.DataFrame()
    frame = _every(state) if history else _latest(state)
    return frame.drop(columns=[BATCH, ROW, KEY])


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
    frame: pd.DataFrame = table.select([*_theirs(table), *last]).to_pandas()
    return frame


def _theirs(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name not in OURS]


def _with(table: pa.Table, constants: dict[str, tuple[object, pa.DataType]]) -> pa.Table:
    for name, (value, kind) in constants.items():
        table = table.append_column(name, pa.array([value] * len(table), kind))
    return table


def _every(state: State) -> pd.DataFrame:
    return in_order(state.dataset().to_table()).sort_values([ORDER, ROW], kind="stable", ignore_index=True)


def _latest(state: State) -> pd.DataFrame:
    return _every(state).drop_duplicates(KEY, keep="last", ignore_index=True)


def _changed(rows: pa.Table, known: pd.DataFrame) -> pa.Table:
    """Return the rows that say something which is not known yet."""
    names = _theirs(rows)
    before = {key: values for key, *values in _tuples(known, names)}
    news = [before.get(key) != values for key, *values in _tuples(rows.to_pandas(), names)]
    return rows.filter(pa.array(news, pa.bool_()))


def _tuples(frame: pd.DataFrame, names: Sequence[str]) -> zip[tuple[object, ...]]:
    plain = frame.reindex(columns=[KEY, *names]).astype(object)
    return zip(*(plain[name].where(plain[name].notna(), None) for name in plain.columns), strict=True)
