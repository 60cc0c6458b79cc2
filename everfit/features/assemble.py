"""What the steps make of their columns, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone

Step = tuple[str, Any, list[str]]


class Assemble(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Let each step transform its columns of a frame; return one float32 matrix of all that they make.

    scikit-learn's ColumnTransformer does the same with many more options, at five milliseconds for one row.
    `steps` are (name, transformer, names of columns); without any, the matrix has no columns.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Fit every step on its columns."""
        self.steps_ = [(name, clone(step).fit(X[columns], y), columns) for name, step, columns in self.steps]
        return self

    def fit_transform(self, X: pd.DataFrame, y: Any = None, **_: Any) -> np.ndarray:
        """Fit every step; return what it says of the rows that it learns from, which may be out of fold."""
        self.steps_, made = [], []
        for name, step, columns in self.steps:
            fitted = clone(step)
            made.append(fitted.fit_transform(X[columns], y))
            self.steps_.append((name, fitted, columns))
        return _beside(made, len(X))

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return the columns of all steps."""
        if not isinstance(X, pd.DataFrame):
            raise TypeError(f"Columns are read by their names from a DataFrame, and a {type(X).__name__} came.")
        there = list(X.columns)
        parts = [step.transform(X if columns == there else X[columns]) for _, step, columns in self.steps_]
        return _beside(parts, len(X))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names that the steps give, in order."""
        names = [step.get_feature_names_out(columns) for _, step, columns in self.steps_]
        return np.concatenate([np.empty(0, dtype=object), *names])


def _beside(parts: list[Any], rows: int) -> np.ndarray:
    return np.hstack([np.empty((rows, 0), dtype="float32"), *parts], dtype="float32", casting="same_kind")
