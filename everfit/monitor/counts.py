"""Two samples of one column, counted in the same bins: the common ground of every distribution test.

Numbers are cut at the reference's quantiles, so that one outlier cannot hide a shift; values that fill a
whole bin (zeros, a default) get one of their own. Rare levels of a category are grouped.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from everfit.schema import Kind

BINS = 10
LEVELS = 20
EXPECTED = 5.0
RARE = "(rare or new)"

Counts = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Binned:
    """How often each bin came, in the reference and in the current rows; nulls are not in it."""

    labels: tuple[str, ...]
    before: Counts
    after: Counts


@dataclass(frozen=True)
class Compared:
    """Chi-square over the bins, and by how much the distributions differ.

    `moved` is the share of rows that would have to change bins (total variation), less what chance alone
    would move at these sample sizes, so that it means the same at 200 rows and at a million.
    """

    statistic: float
    p_value: float
    moved: float
    psi: float


def sample(frame: pd.DataFrame, rows: int, seed: int = 0) -> pd.DataFrame:
    """Return at most so many rows, drawn by the seed, in the order that they had."""
    return frame if len(frame) <= rows else frame.iloc[drawn(len(frame), rows, seed)]


def drawn(many: int, rows: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the positions of so many of the rows, in their order."""
    return np.sort(np.random.default_rng(seed).choice(many, rows, replace=False))


def numbers(column: pd.Series) -> Floats:
    """Return floats with NaN for null, whatever the dtype: nullable, bool, or objects such as decimals."""
    return column.to_numpy(dtype=float, na_value=np.nan)


def texts(column: pd.Series) -> pd.Series:
    """Return the levels as text, null where they were null."""
    return column.dropna().astype(str)


def count(reference: pd.Series, current: pd.Series, kind: Kind) -> Binned:
    """Count two columns of one kind in common bins; a number with few values counts as a category."""
    if kind == "number":
        before, after = (values[~np.isnan(values)] for values in (numbers(reference), numbers(current)))
        if len(np.unique(before)) > LEVELS:
            return _count_numbers(before, after)
        return _count_levels(pd.Series(before), pd.Series(after))
    return _count_levels(texts(reference), texts(current))


def contrast(binned: Binned) -> Compared:
    """Test whether both samples are draws from one distribution; one bin or an empty side says no."""
    came = binned.before + binned.after > 0
    before, after = binned.before[came], binned.after[came]
    if len(before) < 2 or not before.sum() or not after.sum():
        return Compared(0.0, 1.0, 0.0, 0.0)
    statistic, p_value, _, _ = stats.chi2_contingency(np.stack([before, after]), correction=False)
    p, q = before / before.sum(), after / after.sum()
    pooled = (before + after) / (before.sum() + after.sum())
    noise = np.sqrt(pooled * (1 - pooled) * (1 / before.sum() + 1 / after.sum())).sum() / np.sqrt(2 * np.pi)
    distance = np.abs(p - q).sum() / 2
    p, q = np.clip(p, 1e-4, 1), np.clip(q, 1e-4, 1)
    psi = float(((q - p) * np.log(q / p)).sum())
    return Compared(float(statistic), float(p_value), float(np.sqrt(max(distance**2 - noise**2, 0.0))), psi)


def apart(one: Floats, two: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of two sorted samples, largest at or just below one of the fewer."""
    few = min(one, two, key=len)
    at, below = (
        np.subtract(*(np.searchsorted(values, few, side=side) / len(values) for values in (one, two)))
        for side in ("right", "left")
    )
    return float(np.abs([at, below]).max())


def quantiles(ordered: Floats, shares: Floats) -> Floats:
    """Return what `np.quantile` does, of values that are sorted already."""
    at = np.asarray(shares) * (len(ordered) - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, len(ordered) - 1)
    return np.asarray(ordered[low] + (at - low) * (ordered[high] - ordered[low]))


def _count_numbers(before: Floats, after: Floats) -> Binned:
    cuts, repeats = np.unique(np.quantile(before, np.arange(1, BINS) / BINS, method="lower"), return_counts=True)
    spikes = cuts[repeats > 1]
    edges = np.unique(np.concatenate([cuts, np.nextafter(spikes, -np.inf)]))
    counted = (np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (before, after))
    return Binned(_intervals([f"{edge:.4g}" for edge in edges]), *(c.astype(np.int64) for c in counted))


def _intervals(edges: list[str]) -> tuple[str, ...]:
    """Name the bins between edges; the bin of a single value by that value."""
    between = [high if low == high else f"{low} to {high}" for low, high in pairwise(edges)]
    return f"≤ {edges[0]}", *between, f"> {edges[-1]}"


def _count_levels(before: pd.Series, after: pd.Series) -> Binned:
    """Keep each level that the smaller sample should hold five times; group the others."""
    table = pd.concat([before.value_counts(), after.value_counts()], axis=1).fillna(0).astype(np.int64)
    table.columns = pd.Index(["before", "after"])
    rows = table.sum()
    expected = table.sum(axis=1) * rows.min() / max(rows.sum(), 1)
    rare = table[expected < EXPECTED]
    kept = table[expected >= EXPECTED]
    numeric = pd.api.types.is_numeric_dtype(table.index)
    kept = kept.sort_index() if numeric else kept.sort_values("before", ascending=False, kind="stable")
    labels = [f"{level:g}" if numeric else str(level) for level in kept.index]
    counts = kept.to_numpy()
    if len(rare) and len(kept) > 1 and expected[rare.index].sum() < EXPECTED:
        smallest = int(counts.sum(axis=1).argmin())
        counts[smallest] += rare.sum().to_numpy()
        labels[smallest] += " or rare"
    elif len(rare):
        counts = np.vstack([counts, rare.sum().to_numpy()])
        labels.append(RARE)
    return Binned(tuple(labels), counts[:, 0], counts[:, 1])
