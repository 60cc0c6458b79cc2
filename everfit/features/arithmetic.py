"""Numbers made of two columns each: ratios, products, differences, and the days between two dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from everfit.features.calendar import days
from everfit.features.columns import ByColumn
from everfit.features.lineage import SIGNS


class Arithmetic(ByColumn):
    """Compute a number for each pair; nothing is learnt. `pairs` are (operation, position, position of a column).

    Dates count as days. A gap on either side is a gap, and so is what is divided by zero.
    """

    def __init__(self, pairs: Sequence[tuple[str, int, int]]) -> None:
        self.pairs = pairs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing but the names of columns."""
        self._remember(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return one column for each pair; what is too large is infinite."""
        columns = [_numbers(column) for column in self._columns(X)]
        with np.errstate(all="ignore"):
            made = [_compute(operation, columns[one], columns[two]) for operation, one, two in self.pairs]
        return np.column_stack(made)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return `one / two` and so on."""
        names = self._names(input_features)
        return np.asarray([f"{names[one]} {SIGNS[op]} {names[two]}" for op, one, two in self.pairs], dtype=object)


def _numbers(column: np.ndarray) -> np.ndarray:
    return days(column) if column.dtype.kind == "M" else column.astype("float64")


def _compute(operation: str, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    if operation == "ratio":
        return np.asarray(one / np.where(two == 0, np.nan, two))
    return np.asarray(one - two if operation == "difference" else one * two)
