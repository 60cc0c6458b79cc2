"""Whole numbers for a vendor that tells categories from measurements by their type."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

FEW = 50  # up to so many rows an array of objects is faster than a frame


class Coded(BaseEstimator):  # type: ignore[misc]
    """Hand the first `count` columns of a matrix to the model as whole numbers; a gap among them is -1."""

    def __init__(self, model: Any, count: int) -> None:
        self.model = model
        self.count = count

    def fit(self, X: Any, y: Any, **more: Any) -> Self:
        """Fit the model in place."""
        self.model.fit(coded(X, self.count), y, **more)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return what the model says."""
        return np.asarray(self.model.predict(coded(X, self.count)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return what the model says."""
        return np.asarray(self.model.predict_proba(coded(X, self.count)))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy, also of a model that was read from a file, where its tuples have become lists.

        A vendor that copies lists is refused by scikit-learn's own clone; a tuple is itself.
        """
        params = self.model.get_params(deep=False).items()
        own = {name: tuple(value) if isinstance(value, list) else value for name, value in params}
        return type(self)(type(self.model)(**own), self.count)


def coded(X: Any, count: int) -> Any:
    """Return rows whose first columns are whole numbers and whose others are single precision."""
    matrix = np.asarray(X, dtype="float32")
    if not count:
        return matrix
    codes = np.nan_to_num(matrix[:, :count], nan=-1.0).astype("int32")
    if len(matrix) > FEW:
        columns = {at: codes[:, at] for at in range(count)}
        columns |= {at: matrix[:, at] for at in range(count, matrix.shape[1])}
        return pd.DataFrame(columns)
    rows = matrix.astype(object)
    rows[:, :count] = codes
    return rows
