"""Levels of a category as numbers: one code each, or one column each."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from everfit.features.columns import ByColumn


class Levels(ByColumn):
    """Code the levels of each column by their frequency: 0 is the most frequent.

    Rare levels share the last code with those that fit never saw; a missing value is NaN, which is not the same.
    """

    def __init__(self, min_count: int = 5, max_levels: int = 250) -> None:
        self.min_count = min_count
        self.max_levels = max_levels

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the frequent levels of each column."""
        self._remember(X)
        self.codes_: list[dict[str, int]] = [self._learn(column) for column in self._columns(X)]
        return self

    def _learn(self, column: np.ndarray) -> dict[str, int]:
        counts = pd.Series(column, dtype=object).value_counts()
        least = min(self.min_count, max(1, len(column) // 20))  # few rows: even seldom levels are listed
        frequent = sorted((-count, str(level)) for level, count in counts.items() if count >= least)
        return {level: code for code, (_, level) in enumerate(frequent[: self.max_levels])}

    def transform(self, X: Any) -> np.ndarray:
        """Return one column of codes for each column."""
        coded = [
            _coded(column, codes, gap)
            for codes, column, gap in zip(self.codes_, self._columns(X), self._gaps(), strict=True)
        ]
        return np.asarray(coded, dtype="float64").reshape(len(coded), X.shape[0]).T

    def _gaps(self) -> list[float]:
        """Return what a missing value becomes: NaN, but 0 where fit saw nothing else."""
        return [np.nan if codes else 0.0 for codes in self.codes_]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, unchanged."""
        return np.asarray(self._names(input_features), dtype=object)


def _coded(column: np.ndarray, codes: dict[str, int], gap: float) -> np.ndarray:
    """Return each value's code; of those that have none, only the strings are unknown levels."""
    made = np.array([*map(codes.get, column)], dtype="float64")
    for at in np.flatnonzero(np.isnan(made)):
        made[at] = len(codes) if isinstance(column[at], str) else gap
    return made


class OneHot(Levels):
    """One column of 0 and 1 for each frequent level, one for rare or new levels, none for a missing value."""

    def transform(self, X: Any) -> np.ndarray:
        """Return the columns of all levels side by side."""
        codes = super().transform(X)
        width = [len(known) + 1 for known in self.codes_]
        hot = np.zeros((len(codes), sum(width)))
        starts = np.cumsum([0, *width[:-1]])
        rows, columns = np.nonzero(~np.isnan(codes))
        hot[rows, starts[columns] + codes[rows, columns].astype(int)] = 1.0
        return hot

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return `column=level` for each level."""
        names = self._names(input_features)
        return np.asarray(
            [f"{n}={level}" for n, known in zip(names, self.codes_, strict=True) for level in (*known, "[other]")],
            dtype=object,
        )
