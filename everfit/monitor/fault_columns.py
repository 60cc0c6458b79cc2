"""Faults that show in the values of a column: nulls, units, defaults, constants, unseen levels, swapped columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from everfit.monitor.counts import LEVELS, Floats, apart, quantiles
from everfit.monitor.findings import Finding, finite
from everfit.monitor.table import Table
from everfit.schema import Schema

BLOCKS = 40
NULL_RISE = 0.25
FAR = 0.40
RESCALED = 5.0
SAME_SHAPE = 0.15
ONE_VALUE = 0.30
USUAL = 0.90
UNSEEN = 0.50
APART = 0.50
ALIKE = 0.12
DECILES = np.arange(0.1, 0.91, 0.1)
EXTREMES = np.array([0.001, 0.999])


@dataclass(frozen=True)
class Numbers:
    """A number column: its past and what came now, both sorted and without nulls, and the past in the order of time.

    That is cut into so many `parts`, of about the size of a batch.
    """

    name: str
    past: Floats
    now: Floats
    rows: Floats
    parts: int

    @classmethod
    def of(cls, name: str, past: Table, now: Table, at: int, parts: int) -> Numbers | None:
        """Take a column; None when it has too few values, or too few different ones, to know its range."""
        before, came = (side.ordered[at, : len(side) - side.nulls[at]] for side in (past, now))
        if min(len(before), len(came)) < LEVELS or np.count_nonzero(np.diff(before)) < LEVELS:
            return None
        return cls(name, before, came, past.values[at], parts)

    @property
    def blocks(self) -> list[Floats]:
        """The parts of the past, without their nulls."""
        return [block[~np.isnan(block)] for block in np.array_split(self.rows, self.parts)]

    def worst(self, measure: Any) -> float:
        """Return the largest value of a measure over the past blocks."""
        return max((measure(block) for block in self.blocks if len(block)), default=0.0)


def find(past: Table, now: Table, schema: Schema) -> tuple[Finding, ...]:
    """Check every column by itself, then the pairs that may have been swapped."""
    parts = int(np.clip(len(past) // len(now), 4, BLOCKS))
    positions = {name: at for at, name in enumerate(past.schema.names)}
    found: list[Finding | None] = []
    columns: list[Numbers] = []
    for column in schema.columns:
        at = positions[column.name]
        found.append(null_burst(column.name, past, now, at, parts))
        if column.kind == "number" and (read := Numbers.of(column.name, past, now, at, parts)):
            columns.append(read)
        elif column.kind == "string" and len(now) - now.nulls[at] >= LEVELS:
            found.append(unseen(column.name, past, now, at, parts))
    swapped = _swapped(columns)
    gone = {name for finding in swapped for name in finding.columns}
    found += [_number_fault(column) for column in columns if column.name not in gone]
    return (*swapped, *(finding for finding in found if finding))


def null_burst(name: str, past: Table, now: Table, at: int, parts: int) -> Finding | None:
    """Speak when far more values are null than in any block of the past."""
    usual, rate = (float(side.nulls[at] / len(side)) for side in (past, now))
    if rate - usual < NULL_RISE:
        return None
    worst = max(float(np.isnan(block).mean()) for block in np.array_split(past.values[at], parts))
    if rate - worst < NULL_RISE:
        return None
    text = f"{name}: {rate:.0%} of its values are null, against {usual:.0%} so far and {worst:.0%} at worst"
    return _fault("null burst", text, name, rate - usual)


def _number_fault(column: Numbers) -> Finding | None:
    """Return the first fault of a number column; the later checks would only repeat it."""
    return constant(column) or one_value(column) or unit(column)


def constant(column: Numbers) -> Finding | None:
    """Speak when a column that varied holds one value, unless nearly all of a block was that: no snow in summer."""
    if column.now[0] != column.now[-1] or column.worst(lambda block: (block == column.now[0]).mean()) >= USUAL:
        return None
    if any(len(block) and not np.ptp(block) for block in column.blocks):
        return None
    text = f"{column.name}: every value is {column.now[0]:g}, and it always varied before"
    return _fault("constant column", text, column.name, 1.0)


def one_value(column: Numbers) -> Finding | None:
    """Speak when one value that was rare fills much of the column: a default in place of what was not known."""
    many = max(1, math.ceil(ONE_VALUE * len(column.now)))  # of one value, side by side as they are sorted
    if not (column.now[many - 1 :] == column.now[: len(column.now) - many + 1]).any():
        return None
    values, counts = np.unique(column.now, return_counts=True)
    value, share = values[np.argmax(counts)], counts.max() / len(column.now)
    before = column.worst(lambda block: (block == value).mean())
    if before > share / 4 or column.worst(_most_common) > share / 2:
        return None
    text = f"{column.name}: {share:.0%} of its values are {value:g}, at most {before:.0%} before: a default for nulls?"
    return _fault("one value floods", text, column.name, share)


def _most_common(block: Floats) -> float:
    return float(np.unique(block, return_counts=True)[1].max() / len(block))


def unit(column: Numbers) -> Finding | None:
    """Speak when values lie far outside everything seen, or are the old distribution times a factor."""
    low, high = quantiles(column.past, EXTREMES)
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
    before, now = quantiles(column.past, DECILES), quantiles(column.now, DECILES)
    factor = _factor(before, now)
    if factor is None or abs(np.log(factor)) < np.log(RESCALED):
        return None
    if abs(np.log(factor)) < 2 * column.worst(lambda block: _log_factor(before, np.quantile(block, DECILES))):
        return None
    return factor if apart(column.past, column.now / factor) < SAME_SHAPE else None


def _factor(before: Floats, now: Floats) -> float | None:
    """Return the least-squares factor between two rows of deciles, if there is a positive one."""
    size = float(before @ before)
    factor = float(before @ now) / size if size else 0.0
    return factor if factor > 0 else None


def _log_factor(before: Floats, now: Floats) -> float:
    return float(abs(np.log(_factor(before, now) or 1.0)))


def _swapped(columns: list[Numbers]) -> list[Finding]:
    """Find pairs of columns that each look like the other one's past."""
    moved = [c for c in columns if apart(c.past, c.now) > APART]
    found = []
    for one, two in _likely(moved):
        crossed = [apart(a.past, b.now) for a, b in ((one, two), (two, one))]
        if max(crossed) < ALIKE:
            text = f"{one.name} and {two.name} look swapped: each has the other's distribution"
            found.append(_fault("columns swapped", text, (one.name, two.name), 1 - max(crossed)))
    return found


def _likely(columns: list[Numbers]) -> list[tuple[Numbers, Numbers]]:
    """Return the pairs each of which has its median near the middle of the other's past: all others are apart."""
    medians = np.array([column.now[(len(column.now) - 1) // 2] for column in columns])
    near = np.zeros((len(columns), len(columns)), dtype=bool)
    for at, column in enumerate(columns):
        low, high = (np.searchsorted(column.past, medians, side) / len(column.past) for side in ("left", "right"))
        near[at] = (low < 0.5 + ALIKE) & (high > 0.5 - ALIKE)
    return [(columns[one], columns[two]) for one, two in np.argwhere(np.triu(near & near.T, 1))]


def unseen(name: str, past: Table, now: Table, at: int, parts: int) -> Finding | None:
    """Speak when most values were never seen, in a column that had settled on its levels, or are known ones respelt."""
    known, came = past.values[at], _codes(now.values[at])
    counts = np.bincount(_codes(known), minlength=len(now.levels[name]))
    new = came[counts[came] == 0]
    share = len(new) / len(came)
    if share < UNSEEN:
        return None
    levels = pd.Index(list(now.levels[name]))
    examples = ", ".join(map(repr, levels[pd.unique(new)[:3]]))
    if _plain(levels[new]).isin(_plain(levels[counts > 0])).mean() >= UNSEEN:
        text = f"{name}: {share:.0%} of its values are spelt in another way than before, such as {examples}"
        return _fault("unseen values", text, name, share)
    if np.count_nonzero(counts) < 2 or share < 4 * _newest([_codes(part) for part in np.array_split(known, parts)]):
        return None
    text = f"{name}: {share:.0%} of its values were never seen before, such as {examples}"
    return _fault("unseen values", text, name, share)


def _codes(values: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    return values[~np.isnan(values)].astype("int64")


def _plain(levels: pd.Index) -> pd.Index:
    return levels.str.strip().str.casefold()


def _newest(blocks: list[np.ndarray[Any, np.dtype[np.int64]]]) -> float:
    """Return the largest share of values that were new in a block when it came."""
    seen, worst = np.unique(blocks[0]), 0.0
    for block in blocks[1:]:
        worst = max(worst, float((~np.isin(block, seen)).mean()) if len(block) else 0.0)
        seen = np.union1d(seen, block)
    return worst


def _fault(signal: str, text: str, names: str | tuple[str, ...], effect: float) -> Finding:
    columns = (names,) if isinstance(names, str) else names
    return Finding(signal, text, severity="repair", columns=columns, effect=finite(float(effect)))
