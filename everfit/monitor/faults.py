"""Is the batch broken? Then it must be refused and repaired, never learnt from.

Each check asks for a jump that is large in itself *and* larger than the column's own past: the reference is
cut into blocks of about a batch's size, so a feed that is often half null, or a month that is new every
month, is not a fault. A rule that is too eager throws good rows away.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from everfit.monitor import fault_columns, fault_rows
from everfit.monitor.findings import Finding
from everfit.schema import Change, Schema

NEW_NORMAL = 3
ENOUGH = 50
LIMIT = 20_000


def find(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    schema: Schema,
    time: str | None = None,
    now: datetime | None = None,
    refused_in_a_row: int = 0,
) -> tuple[Finding, ...]:
    """Return what is broken in a batch; empty when nothing is.

    `schema` has the raw columns that the champion needs (without target and bookkeeping), `reference` their past in
    the order of time: see `rolling`. After three refusals in a row the new look may be the new normal: the findings
    ask for a person instead of refusing once more, except where columns are missing or of another kind.
    """
    came = Schema.of(current)
    structure = tuple(_structural(change) for change in schema.changes(came) if change.kind in ("removed", "retyped"))
    broken = {column for finding in structure for column in finding.columns}
    usable = Schema(tuple(c for c in schema.columns if c.name not in broken and c.name in reference))
    rows = fault_rows.find(reference, current, usable, time=time, now=now)
    if min(len(reference), len(current)) < ENOUGH:
        return (*structure, *rows)
    values = fault_columns.find(reference, current, usable.without([time or ""]))
    if refused_in_a_row >= NEW_NORMAL and values:
        return (*structure, *rows, *_new_normal(values, refused_in_a_row))
    return (*structure, *rows, *values)


def rolling(reference: pd.DataFrame, recent: pd.DataFrame, *, limit: int = LIMIT, seed: int = 0) -> pd.DataFrame:
    """Extend a reference by the rows that were accepted since: all of the latest, a sample of the others."""
    joined = pd.concat([reference, recent[recent.columns.intersection(reference.columns)]], ignore_index=True)
    if len(joined) <= limit:
        return joined
    cut = len(joined) - limit // 2
    older = np.sort(np.random.default_rng(seed).choice(cut, limit - limit // 2, replace=False))
    return joined.iloc[np.concatenate([older, np.arange(cut, len(joined))])].reset_index(drop=True)


def _structural(change: Change) -> Finding:
    return Finding(f"column {change.kind}", str(change), severity="repair", columns=(change.column,), effect=1.0)


def _new_normal(values: tuple[Finding, ...], refused: int) -> tuple[Finding, ...]:
    columns = tuple(dict.fromkeys(column for finding in values for column in finding.columns))
    alert = Finding(
        "new normal?",
        f"{refused} batches in a row were refused, and this one looks the same: "
        "it may be the new normal. It is let through; a person must look at the feed.",
        severity="watch",
        columns=columns,
    )
    return alert, *(replace(finding, severity="watch") for finding in values)
