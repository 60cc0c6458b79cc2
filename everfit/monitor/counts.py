"""Two samples of one column, counted in the same bins: the common ground of every distribution test.

Numbers are cut at the reference's quantiles, so that one outlier cannot hide a shift; values that fill a
whole bin (zeros, a default) get one of their own. Rare levels of a category are grouped.
"""

from __future__ import annotations

from dataclasses import dataclass
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


def _count_numbers(before: Floats, after: Floats) -> Binned:
    cuts, repeats = np.unique(np.quantile(before, np.arange(1, BINS) / BINS, method="lower"), return_counts=True)
    spikes = cuts[repeats > 1]
    edges = np.unique(np.concatenate([cuts, np.nextafter(spikes, -np.inf)]))
    counted = (np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (before, after))
    labels = [f"≤ {edge:.4g}" for edge in edges] + [f"> {edges[-1]:.4g}"]
    return Binned(tuple(labels), *(c.astype(np.int64) for c in counted))


def _count_levels(before: pd.Series, after: pd.Series) -> Binned:
    """Keep each level that the smaller sample should hold five times; group the others."""
    table = pd.concat([before.value_counts(), after.value_counts()], axis=1).fillna(0).astype(np.int64)
    table.columns = pd.Index(["before", "after"])
    rows = table.sum()
    expected = table.sum(axis=1) * rows.min() / max(rows.sum(), 1)
    rare = table[expected < EXPECTED]
    kept = table[expected >= EXPECTED].sort_values("before", ascending=False, kind="stable")
    if len(rare):
        kept.loc[RARE] = rare.sum()
    if len(kept) > 2 and expected[rare.index].sum() < EXPECTED and len(rare):
        kept.iloc[-2] += kept.iloc[-1]
        kept = kept.iloc[:-1]
    labels = tuple(f"{level:g}" if isinstance(level, float) else str(level) for level in kept.index)
    return Binned(labels, kept["before"].to_numpy(), kept["after"].to_numpy())
