"""Paired resampling: how far a score, or the difference of two, could be luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from everfit.evaluation.metrics import Metric
from everfit.search.predicted import Predicted

UNITS = 1000  # rows are resampled in so many bags at most, which bounds the cost whatever the number of rows
DRAWS = 2000
FEWEST_BLOCKS = 10


def units_of(rows: int, *, ordered: bool, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Assign each row to the unit that it is resampled with.

    Neighbours in time share their luck, so ordered rows go in blocks that grow with the square root of their number;
    other rows go alone, or in random bags when there are many, which have the same spread. Rows of a group share
    their luck as well, and stay together.
    """
    if groups is not None:
        codes = pd.factorize(groups, use_na_sentinel=False)[0]
        return np.asarray(np.random.default_rng(seed).permutation(codes.max() + 1)[codes] % UNITS)
    if ordered:
        blocks = min(UNITS, max(FEWEST_BLOCKS, round(rows**0.5)))
        return np.asarray(np.arange(rows) * min(blocks, rows) // max(1, rows))
    return np.random.default_rng(seed).permutation(rows) % min(rows, UNITS)


def draws_of(units: int, *, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Return how often each unit occurs in each resample, one resample a row."""
    return np.random.default_rng(seed + 1).multinomial(units, np.full(units, 1 / units), size=draws).astype("float64")


def small_sample(units: int, level: float) -> float:
    """Return by how much a one-sided test at a level must widen the spread of resamples of so few units.

    A resample spreads less than a fresh sample would, and takes its own spread for the true one: with ten units
    that makes an error of 5 % one of 8 to 10 %. Student's t says how much, and with many units it is nothing.
    """
    return float(np.sqrt(units / (units - 1)) * stats.t.isf(level, units - 1) / stats.norm.isf(level))


def resampled(
    metric: Metric, y: np.ndarray, predicted: Predicted, weight: np.ndarray, units: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """Return the score of every resample; the same `draws` for two models make the comparison paired."""
    with np.errstate(all="ignore"):
        parts = metric.parts(y, predicted, weight) * weight[:, None]
        sums = np.column_stack([np.bincount(units, column, minlength=draws.shape[1]) for column in parts.T])
        return metric.finish(draws @ sums)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the middle 95 % of what is defined; NaN when nothing is."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)
