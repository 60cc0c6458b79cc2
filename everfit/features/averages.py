"""Columns of very many levels: each level becomes what the target does there."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from everfit.features.columns import ByColumn

KIND = {"binary": "binary", "multiclass": "multiclass", "regression": "continuous"}


class Averages(ByColumn):
    """The smoothed mean of the target for each level, and how often the level occurs.

    `fit_transform` averages over other rows only (out of fold), so that a level which occurs once does not
    give its own answer away; `transform` uses what all of fit's rows say. One mean per class when there are several.
    """

    def __init__(self, task: str = "regression", folds: int = 5) -> None:
        self.task = task
        self.folds = folds

    def fit(self, X: Any, y: Any) -> Self:
        """Learn means and counts from all rows."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any, **_: Any) -> np.ndarray:
        """Learn from all rows; return what each row's level means to the other rows."""
        self._remember(X)
        levels = self._levels(X)
        self.counts_ = [dict(zip(*_count(column), strict=True)) for column in levels.T]
        folds = KFold(min(self.folds, len(levels)), shuffle=True, random_state=0)
        self.encoder_ = TargetEncoder(target_type=KIND[self.task], cv=folds)
        means = self.encoder_.fit_transform(levels, np.asarray(y))
        self.encoder_.set_params(cv=self.folds)  # its work is done, and a splitter is one more type to trust
        return np.hstack([means, self._frequency(levels)])

    def transform(self, X: Any) -> np.ndarray:
        """Return the mean (or the overall mean, for new levels) and the frequency of each row's levels."""
        levels = self._levels(X)
        return np.hstack([self.encoder_.transform(levels), self._frequency(levels)])

    def _levels(self, X: Any) -> np.ndarray:
        columns = [[v if isinstance(v, str) else "[missing]" for v in column] for column in self._columns(X)]
        return np.array(columns, dtype=object).reshape(len(columns), X.shape[0]).T

    def _frequency(self, levels: np.ndarray) -> np.ndarray:
        counted = [[known.get(v, 0) for v in column] for known, column in zip(self.counts_, levels.T, strict=True)]
        return np.asarray(np.log1p(np.asarray(counted, dtype="float64")).T)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return `column[mean]` or `column[mean class]`, then `column[count]`."""
        names = self._names(input_features)
        classes = self.encoder_.classes_ if self.task == "multiclass" else [""]
        means = [f"{name}[mean{f' {c}' if self.task == 'multiclass' else ''}]" for name in names for c in classes]
        return np.asarray([*means, *(f"{name}[count]" for name in names)], dtype=object)


def _count(column: np.ndarray) -> tuple[list[str], list[int]]:
    counts = pd.Series(column, dtype=object).value_counts()
    return [str(level) for level in counts.index], [int(count) for count in counts]
