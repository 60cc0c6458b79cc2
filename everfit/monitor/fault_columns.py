"""Faults that show in the values of a column: nulls, units, defaults, constants, unseen levels, swapped columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from everfit.monitor.counts import LEVELS, Floats, numbers, texts
from everfit.monitor.findings import Finding, finite
from everfit.schema import Schema

BLOCKS = 40
NULL_RISE = 0.25
FAR = 0.40
RESCALED = 3.0
SAME_SHAPE = 0.15
ONE_VALUE = 0.30
UNSEEN = 0.50
APART = 0.50
ALIKE = 0.12
DECILES = np.arange(0.1, 0.91, 0.1)


@dataclass(frozen=True)
class Numbers:
    """A number column: its past in blocks, and what came now, both without nulls."""

    name: str
    past: Floats
    blocks: tuple[Floats, ...]
    now: Floats

    def worst(self, measure: Any) -> float:
        """Return the largest value of a measure over the past blocks."""
        return max((measure(block) for block in self.blocks if len(block)), default=0.0)


def find(reference: pd.DataFrame, current: pd.DataFrame, schema: Schema) -> tuple[Finding, ...]:
    """Check every column by itself, then the pairs that may have been swapped."""
    cuts = np.array_split(np.arange(len(reference)), int(np.clip(len(reference) // len(current), 4, BLOCKS)))
    found: list[Finding | None] = []
    columns: list[Numbers] = []
    for column in schema.columns:
        past, now = reference[column.name], current[column.name]
        found.append(null_burst(column.name, past.isna().to_numpy(), now.isna().to_numpy(), cuts))
        if now.notna().sum() < LEVELS or past.notna().sum() < LEVELS:
            continue
        if column.kind == "number" and past.nunique() > LEVELS:
            values = numbers(past)
            blocks = tuple(values[cut][~np.isnan(values[cut])] for cut in cuts)
            columns.append(Numbers(column.name, values[~np.isnan(values)], blocks, numbers(now.dropna())))
        elif column.kind == "string":
            found.append(unseen(column.name, past, now, cuts))
    swapped = _swapped(columns)
    gone = {name for finding in swapped for name in finding.columns}
    found += [_number_fault(column) for column in columns if column.name not in gone]
    return (*swapped, *(finding for finding in found if finding))


def null_burst(name: str, past: Any, now: Any, cuts: list[Any]) -> Finding | None:
    """Speak when far more values are null than in any block of the past."""
    usual, worst, rate = past.mean(), max(past[cut].mean() for cut in cuts), now.mean()
    if rate - worst < NULL_RISE:
        return None
    text = f"{name}: {rate:.0%} of its values are null, against {usual:.0%} so far and {worst:.0%} at worst"
    return _fault("null burst", text, name, rate - usual)


def _number_fault(column: Numbers) -> Finding | None:
    """Return the first fault of a number column; the later checks would only repeat it."""
    return constant(column) or one_value(column) or unit(column)


def constant(column: Numbers) -> Finding | None:
    """Speak when a column that always varied holds one value."""
    if np.ptp(column.now) or any(len(block) and not np.ptp(block) for block in column.blocks):
        return None
    text = f"{column.name}: every value is {column.now[0]:g}, and it always varied before"
    return _fault("constant column", text, column.name, 1.0)


def one_value(column: Numbers) -> Finding | None:
    """Speak when one value that was rare fills much of the column: a default in place of what was not known."""
    values, counts = np.unique(column.now, return_counts=True)
    value, share = values[np.argmax(counts)], counts.max() / len(column.now)
    if share < ONE_VALUE:
        return None
    before = column.worst(lambda block: (block == value).mean())
    if before > share / 4 or column.worst(_most_common) > share / 2:
        return None
    text = f"{column.name}: {share:.0%} of its values are {value:g}, at most {before:.0%} before: a default for nulls?"
    return _fault("one value floods", text, column.name, share)


def _most_common(block: Floats) -> float:
    return float(np.unique(block, return_counts=True)[1].max() / len(block))


def unit(column: Numbers) -> Finding | None:
    """Speak when values lie far outside everything seen, or are the old distribution times a factor."""
    low, high = np.quantile(column.past, [0.001, 0.999])
    slack = (high - low) / 2
    far = float(((column.now < low - slack) | (column.now > high + slack)).mean())
    if slack and far >= FAR:
        text = (
            f"{column.name}: {far:.0%} of its values are far outside what was seen "
            f"(median {np.median(column.now):.4g}, so far {low:.4g} to {high:.4g}){_guess(column)}: a changed unit?"
        )
        return _fault("unit changed", text, column.name, far)
    factor = rescaled(column)
    if factor is None:
        return None
    text = f"{column.name}: the same distribution as before, times {factor:.3g}: a changed unit?"
    return _fault("unit changed", text, column.name, abs(float(np.log(factor))))


def _guess(column: Numbers) -> str:
    factor = rescaled(column)
    return f", about {factor:.3g} times what it was" if factor else ""


def rescaled(column: Numbers) -> float | None:
    """Return the factor when the values are the past ones times a factor that no block of the past had."""
    before, now = np.quantile(column.past, DECILES), np.quantile(column.now, DECILES)
    factor = _factor(before, now)
    if factor is None or abs(np.log(factor)) < np.log(RESCALED):
        return None
    if abs(np.log(factor)) < 2 * column.worst(lambda block: _log_factor(before, np.quantile(block, DECILES))):
        return None
    distance = stats.ks_2samp(column.past, column.now / factor, method="asymp").statistic
    return factor if distance < SAME_SHAPE else None


def _factor(before: Floats, now: Floats) -> float | None:
    """Return the least-squares factor between two rows of deciles, if there is a positive one."""
    size = float(before @ before)
    factor = float(before @ now) / size if size else 0.0
    return factor if factor > 0 else None


def _log_factor(before: Floats, now: Floats) -> float:
    return float(abs(np.log(_factor(before, now) or 1.0)))


def _swapped(columns: list[Numbers]) -> list[Finding]:
    """Find pairs of columns that each look like the other one's past."""
    moved = [c for c in columns if stats.ks_2samp(c.past, c.now, method="asymp").statistic > APART]
    found = []
    for i, one in enumerate(moved):
        for two in moved[i + 1 :]:
            crossed = [stats.ks_2samp(a.past, b.now, method="asymp").statistic for a, b in ((one, two), (two, one))]
            if max(crossed) < ALIKE:
                text = f"{one.name} and {two.name} look swapped: each has the other's distribution"
                found.append(_fault("columns swapped", text, (one.name, two.name), 1 - max(crossed)))
    return found


def unseen(name: str, past: pd.Series, now: pd.Series, cuts: list[Any]) -> Finding | None:
    """Speak when most values were never seen, in a column that had settled on its levels."""
    known = texts(past)
    blocks = [texts(past.iloc[cut]) for cut in cuts]
    if known.nunique() < 2:
        return None
    share = float((~texts(now).isin(known.unique())).mean())
    if share < UNSEEN or share < 2 * _newest(blocks):
        return None
    examples = texts(now)[~texts(now).isin(known.unique())].unique()[:3]
    text = f"{name}: {share:.0%} of its values were never seen before, such as {', '.join(map(repr, examples))}"
    return _fault("unseen values", text, name, share)


def _newest(blocks: list[pd.Series]) -> float:
    """Return the largest share of values that were new in a block when it came."""
    seen: set[str] = set(blocks[0].unique()) if blocks else set()
    worst = 0.0
    for block in blocks[1:]:
        worst = max(worst, float((~block.isin(list(seen))).mean()) if len(block) else 0.0)
        seen |= set(block.unique())
    return worst


def _fault(signal: str, text: str, names: str | tuple[str, ...], effect: float) -> Finding:
    columns = (names,) if isinstance(names, str) else names
    return Finding(signal, text, severity="repair", columns=columns, effect=finite(float(effect)))
