"""Is the batch broken? Then it must be refused and repaired, never learnt from.

Each check asks for a jump that is large in itself *and* larger than the column's own past: the reference is
cut into blocks of about a batch's size, so a feed that is often half null, or a month that is new every
month, is not a fault. A rule that is too eager throws good rows away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from everfit.monitor import fault_columns, fault_rows, new_normal
from everfit.monitor.findings import Finding, Severity, without_values
from everfit.monitor.table import Table, rolled
from everfit.schema import Change, Schema
from everfit.spec import Outcome, SchemaPolicy

ENOUGH = 50
LIMIT = 20_000
MAX_ROWS = 200_000
SEVERITIES: dict[Outcome, Severity] = {"allow": "fine", "warn": "watch", "block": "repair"}


def find(
    reference: pd.DataFrame | Table,
    current: pd.DataFrame | Table,
    *,
    schema: Schema,
    time: str | None = None,
    ids: Collection[str] = (),
    target: str = "",
    now: datetime | None = None,
    before: Sequence[tuple[Finding, ...]] = (),
    on_change: SchemaPolicy | None = None,
    personal: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return what is broken in a batch; empty when nothing is.

    `schema` has the raw columns that the champion needs (without target and bookkeeping), `reference` their past in
    the order of time: see `rolling`; whoever judges batch after batch reads both once, and extends it. A copy is looked
    for among all of it, and beyond the columns of `schema` by `ids`, `time` and `target`. `before` are the
    findings of other batches, the latest first: the same fault in three of them running may be the new normal, and
    asks for a person instead of refusing once more. What a missing or retyped column leads to, the model file says.
    No text shows a value of a `personal` column.
    """
    whole = reference if isinstance(reference, Table) else _read(reference, schema, (*ids, time, target))
    came = current if isinstance(current, Table) else whole.read(current)
    changes = [change for change in schema.changes(came.came) if change.kind in ("removed", "retyped")]
    structure = tuple(_structural(change, on_change or SchemaPolicy()) for change in changes)
    usable = schema.without([change.column for change in changes]).only(whole.schema.names)
    rows = without_values(fault_rows.find(whole, came, usable, time=time, now=now), personal)
    if min(len(whole), len(came)) < ENOUGH:
        return (*structure, *rows)
    values = fault_columns.find(whole.rolled(LIMIT), came.sampled(MAX_ROWS), usable.without([time or ""]))
    copied = fault_rows.copied(whole, came, usable, time=time, ids=ids, target=target)
    values = (*([copied] if copied else ()), *without_values(values, personal))
    others = (*structure, *rows)
    if any(finding.severity == "repair" for finding in others):
        return (*others, *values)
    return (*others, *new_normal.let_through(values, before))


def rolling(reference: pd.DataFrame, recent: pd.DataFrame, *, limit: int = LIMIT, seed: int = 0) -> pd.DataFrame:
    """Extend a reference by the rows that were accepted since: all of the latest, a sample of the others."""
    joined = pd.concat([reference, recent[recent.columns.intersection(reference.columns)]], ignore_index=True)
    return joined if len(joined) <= limit else joined.iloc[rolled(len(joined), limit, seed)].reset_index(drop=True)


def _read(reference: pd.DataFrame, schema: Schema, more: Iterable[str | None]) -> Table:
    there = schema.without([name for name in schema.names if name not in reference])
    more = [name for name in dict.fromkeys(more) if name in reference and name not in there.names]
    return Table.of(reference, replace(there, columns=(*there.columns, *Schema.of(reference[more]).columns)))


def _structural(change: Change, policy: SchemaPolicy) -> Finding:
    outcome = policy.removed if change.kind == "removed" else policy.retyped
    return Finding(f"column {change.kind}", str(change), severity=SEVERITIES[outcome], columns=(change.column,))
