"""Have the inputs, the predictions or the target moved away from what the champion was made with?

A column has drifted when the change is significant, after Holm's correction over all tests of the batch, and
large enough to matter: a tenth of the rows would have to move, or the nulls rose or fell by five points.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from everfit.monitor.counts import Binned, Compared, Counts, contrast, count, sample
from everfit.monitor.findings import finite
from everfit.monitor.moved import ColumnDrift, Drift
from everfit.reserved import HELDOUT, PREDICTION, SCORE
from everfit.schema import Kind, Schema

__all__ = ["ColumnDrift", "Drift", "compare", "holm"]

MOVED = 0.10
NULLS = 0.05
MAX_ROWS = 200_000
LABELS = 30


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    columns: Schema,
    level: float = 0.01,
    min_rows: int = 500,
    target: str | None = None,
    personal: Collection[str] = (),
    seed: int = 0,
) -> Drift:
    """Judge the columns of the champion's schema, and where both frames have them the predictions and the target.

    Of more than 200,000 rows a sample is judged, and the error of a share that follows is stated. Columns that are
    missing are not judged here: `faults.find` reports them. Timestamps move by nature; only their nulls are compared.
    Bins are named after values: of a `personal` column none is kept, nor of the predictions of a personal target.
    """
    sizes = len(reference), len(current)
    if min(sizes) < min_rows:
        short = "the batch has" if sizes[1] <= sizes[0] else "the reference has"
        why = f"not enough rows to judge: {short} {min(sizes):,} rows, {min_rows:,} are needed (monitor.min_rows)"
        return Drift(False, why, level, *sizes)
    past, now = sample(reference, MAX_ROWS, seed), sample(current, MAX_ROWS, seed)
    tested = [_judge(past, now, c.name, c.kind, hidden=c.name in personal) for c in columns.columns]
    heldout = past[past[HELDOUT].astype(bool)] if HELDOUT in past else past
    score, hidden = SCORE if SCORE in now and SCORE in past else PREDICTION, target in personal
    error, why = 0.0, "judged on all rows"
    if len(now) < len(current):
        error = 0.98 / float(np.sqrt(len(now)))
        why = f"judged on {len(now):,} of {len(current):,} rows: shares ± {error:.2%}"
    return Drift(
        True,
        why,
        level,
        *sizes,
        sampled=len(now),
        error=error,
        columns=tuple(_corrected(tested, level)),
        prediction=_other(heldout, now, score, level, min_rows, hidden=hidden),
        target=_other(past, now, target, level, min_rows, hidden=hidden) if target else None,
    )


@dataclass(frozen=True)
class _Tested:
    """A column's two tests before the correction over all of them."""

    column: ColumnDrift
    values: float | None = None
    nulls: float | None = None


def _judge(reference: pd.DataFrame, current: pd.DataFrame, name: str, kind: Kind, *, hidden: bool) -> _Tested:
    if name not in reference or name not in current:
        return _Tested(ColumnDrift(name, kind, "the column is missing", judged=False))
    before, after = reference[name], current[name]
    nulls = before.isna().mean(), after.isna().mean()
    blank = ColumnDrift(name, kind, "", nulls_before=float(nulls[0]), nulls_after=float(nulls[1]))
    null_test = contrast(Binned(("null", "value"), *(_null_counts(side) for side in (before, after)))).p_value
    if kind == "timestamp":
        return _Tested(replace(blank, why="time moves by nature: only its nulls are compared"), nulls=null_test)
    if 1.0 in nulls:
        return _Tested(replace(blank, why="it holds nothing but nulls"), nulls=null_test)
    try:
        binned = count(before, after, kind)
    except (TypeError, ValueError):
        return _Tested(replace(blank, why=f"its values are no longer of kind {kind}", judged=False))
    described = _described(blank, binned, result := contrast(binned))
    if hidden:
        described = replace(described, labels=(), before=(), after=())
    return _Tested(described, result.p_value, null_test)


def _null_counts(column: pd.Series) -> Counts:
    missing = int(column.isna().sum())
    return np.array([missing, len(column) - missing])


def _described(column: ColumnDrift, binned: Binned, result: Compared) -> ColumnDrift:
    largest = np.sort(np.argsort(-np.maximum(binned.before, binned.after), kind="stable")[:LABELS])
    before, after = (np.round(side / max(side.sum(), 1), 5)[largest].tolist() for side in (binned.before, binned.after))
    return replace(
        column,
        statistic=finite(result.statistic),
        moved=round(result.moved, 5),
        psi=round(result.psi, 5),
        labels=tuple(binned.labels[i][:40] for i in largest),
        before=tuple(before),
        after=tuple(after),
    )


def _corrected(tested: list[_Tested], level: float) -> list[ColumnDrift]:
    """Apply Holm over both tests of every column, then ask each significant change whether it is large."""
    p_values = [p for t in tested for p in (t.values, t.nulls) if p is not None]
    adjusted = iter(holm(p_values))
    judged = []
    for t in tested:
        p, q = (next(adjusted) if p is not None else 1.0 for p in (t.values, t.nulls))
        judged.append(_verdict(t.column, p, q, level) if t.column.judged else t.column)
    return judged


def holm(p_values: list[float]) -> list[float]:
    """Return Holm's adjusted p-values: compare each with the level that holds for all of them together."""
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    steps = np.minimum(np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors), 1.0)
    adjusted = np.empty_like(steps)
    adjusted[order] = steps
    return list(adjusted.tolist())


def _verdict(column: ColumnDrift, p_values: float, p_nulls: float, level: float) -> ColumnDrift:
    rise = column.nulls_after - column.nulls_before
    moved = p_values < level and column.moved >= MOVED
    nulled = p_nulls < level and abs(rise) >= NULLS
    said = []
    if moved:
        said.append(f"{column.moved:.0%} of its values moved{_where(column)}")
    if nulled:
        said.append(f"its nulls went from {column.nulls_before:.1%} to {column.nulls_after:.1%}")
    significant = min(p_values, p_nulls) < level
    quiet = column.why or ("significant, but too small to matter" if significant else "no change beyond chance")
    return replace(
        column,
        drifted=moved or nulled,
        why="; ".join(said) or quiet,
        p_value=finite(min(p_values, p_nulls)),
    )


def _where(column: ColumnDrift) -> str:
    if not column.labels:
        return ""
    change = np.subtract(column.after, column.before)
    most = int(np.argmax(np.abs(change)))
    return f" ('{column.labels[most]}' from {column.before[most]:.0%} to {column.after[most]:.0%})"


def _other(
    before: pd.DataFrame, after: pd.DataFrame, name: str, level: float, min_rows: int, *, hidden: bool
) -> ColumnDrift | None:
    """Judge one column by itself; None where either side does not have it, or has too little of it."""
    if name not in before or name not in after:
        return None
    past, now = before.dropna(subset=[name]), after.dropna(subset=[name])
    if min(len(past), len(now)) < min_rows:
        return None
    kind = Schema.of(past[[name]]).columns[0].kind
    return _corrected([_judge(past, now, name, kind, hidden=hidden)], level)[0]
