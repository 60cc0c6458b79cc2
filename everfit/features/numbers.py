"""Numbers for trees: as they are, with infinities as missing values."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from everfit.features.columns import ByColumn

LARGEST = 1e38  # some trees compute in single precision, where more than this is infinite


class Numbers(ByColumn):
    """Pass numbers through; what is infinite, or would be in single precision, is missing.

    A column in which fit saw nothing says nothing, and is zero: not every tree survives a column of gaps.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn which columns hold anything."""
        self._remember(X)
        self.empty_ = [int(at) for at in np.flatnonzero(np.isnan(finite(np.asarray(X))).all(axis=0))]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the same numbers, all of them finite or missing."""
        values = finite(np.asarray(X))
        if values.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {values.shape[1]} features, Numbers expects {self.n_features_in_}.")
        values[:, self.empty_] = 0.0
        return values

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, unchanged."""
        return np.asarray(self._names(input_features), dtype=object)


def finite(values: np.ndarray) -> np.ndarray:
    """Return a float64 copy in which everything infinite is missing."""
    numbers = np.array(values, dtype="float64")
    with np.errstate(invalid="ignore"):
        numbers[~(np.abs(numbers) <= LARGEST)] = np.nan
    return numbers
