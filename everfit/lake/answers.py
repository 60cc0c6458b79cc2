"""What a service answered: appended in small batches, which are joined into one for each period that is looked at.

A writer numbers what it hands over, and the table remembers how far each writer got, in the commit that brings the
rows: handed over twice, they are there once. A period is closed by a commit too, which puts all open batches together
and drops them, so that the number of files grows with the looks and not with the appends. A closed period never
changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import accumulate
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everfit.lake.columns import conform, merge
from everfit.lake.records import Change
from everfit.lake.state import State
from everfit.lake.table import Table
from everfit.reserved import ANSWER, ASKED_AT, BATCH, LATENCY, PREDICTION_ID, ROW, SHARE, SOURCE
from everfit.sources.types import INT, MOMENT

OPEN, CLOSED = "asked-", "live-"  # before the names of batches
WRITER = "writer "  # before the name of a writer, the mark that holds how many of its parts are in
MANY, SMALL = 64, 100_000  # open batches, before those of fewer rows than this are put together
MOST = 1_000_000  # rows that are put together, in memory, and so those of a period
NONE = pa.schema([])
SAID = {PREDICTION_ID, ASKED_AT, LATENCY, SOURCE, ANSWER, "role", "abstained", "reasons"}


@dataclass(frozen=True)
class Part:
    """Answers in the lake's types: the `number`th part of its writer, counted from 0."""

    writer: str
    number: int
    rows: pa.Table


def record(table: Table, parts: Sequence[Part]) -> bool:
    """Append the parts that are not in yet, in one commit; whether there were any. A writer's come in their order."""
    schema = reduce(merge, (part.rows.schema for part in parts), NONE)

    def decide(state: State) -> Change | None:
        new = [part for part in parts if part.number >= state.mark(WRITER + part.writer)]
        marks = {WRITER + part.writer: part.number + 1 for part in sorted(new, key=lambda part: part.number)}
        rows = _joined((part.rows for part in new), schema)
        return Change(_new_name(), schema, rows.to_batches, marks=marks, fades=True) if new else None

    return table.commit(schema, decide)[1]


def tidy(table: Table) -> bool:
    """Put small open batches together once there are many; whether that was done."""

    def decide(state: State) -> Change | None:
        small = {name: rows for name, rows in _open(state).items() if rows < SMALL}
        oldest = _at_once(small)
        return _together(state, oldest[0], oldest) if len(small) > MANY else None

    return table.commit(NONE, decide)[1] if table.state() else False


def close(table: Table, *, fewest: int, before: datetime) -> bool:
    """Make one period of what is open, if it has `fewest` rows, or one from `before`; whether that was done.

    It is all that is open, but for what a million rows leave to the next period.
    """

    def decide(state: State) -> Change | None:
        there = _open(state)
        oldest = _at_once(there)
        if not there or (sum(there.values()) < fewest and _first(state, oldest) >= before):
            return None
        number = state.mark(CLOSED) + 1
        return _together(state, f"{CLOSED}{number:08}", oldest, marks={CLOSED: number})

    return table.commit(NONE, decide)[1] if table.state() else False


def kept_as(field: str) -> str:
    """Name the column of a field that was asked with: an underscore is put behind what names something said of it.

    >>> kept_as("Source"), kept_as("probability_yes"), kept_as("colour")
    ('Source_', 'probability_yes_', 'colour')
    """
    plain = field.lower().rstrip("_")
    return f"{field}_" if plain in SAID or plain.startswith(SHARE) else field


def periods(state: State | None) -> list[str]:
    """Return the names of the closed periods, oldest first."""
    return sorted(name for name in state.counts if name.startswith(CLOSED)) if state else []


def _open(state: State) -> dict[str, int]:
    """Return how many rows each open batch has, the oldest first."""
    return {name: rows for name, rows in sorted(state.counts.items()) if name.startswith(OPEN)}


def _at_once(batches: Mapping[str, int]) -> list[str]:
    """Return the first batches, as many as fit into memory together, and one at least."""
    totals = zip(batches.items(), accumulate(batches.values()), strict=True)
    return [name for (name, rows), total in totals if total <= MOST or total == rows]


def _new_name() -> str:
    """Name an open batch, so that names are in the order of time."""
    return f"{OPEN}{time.time_ns()}-{uuid4().hex[:8]}"


def _first(state: State, names: Iterable[str]) -> datetime:
    asked = state.dataset(names).to_table(columns=[ASKED_AT])[ASKED_AT]
    return pc.min(asked.cast(MOMENT)).as_py() or datetime.max  # noqa: DTZ901 - the lake's moments have no zone


def _together(state: State, name: str, parts: Iterable[str], marks: dict[str, int] | None = None) -> Change:
    """Return the change that makes one batch of several, in the order in which they were asked."""
    whole = state.dataset(parts).to_table().sort_by(ASKED_AT)
    rows = _joined([whole], state.schema)
    return Change(name, state.schema, rows.to_batches, drop=frozenset(parts), marks=marks or {})


def _joined(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    """Put rows below each other, numbered anew."""
    held = pa.schema([column for column in schema if column.name not in (BATCH, ROW)])
    whole = pa.Table.from_batches(list(_parts(tables, held)), schema=held)
    return whole.append_column(ROW, pa.array(np.arange(len(whole)), INT))


def _parts(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for table in tables:
        yield from (conform(batch, schema) for batch in table.to_batches())
