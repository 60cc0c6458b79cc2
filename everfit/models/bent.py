"""A regressor that learns on another scale of the answer than it answers on."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

Scale = Literal["plain", "root", "log"]


class Bent(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Let a regressor learn the square root or the logarithm (of one more) of answers that are never negative.

    Errors then count by their share rather than by their size, which suits amounts, counts and prices.
    """

    def __init__(self, model: Any, scale: Scale) -> None:
        self.model = model
        self.scale = scale

    def there(self, y: Any) -> np.ndarray:
        """Return answers on the scale that the model learns."""
        values = np.maximum(np.asarray(y, dtype="float64"), 0.0)
        bent = {"root": np.sqrt, "log": np.log1p}
        return np.asarray(bent[self.scale](values) if self.scale in bent else values)

    def back(self, said: Any) -> np.ndarray:
        """Return what the model said on the scale of the answers."""
        values = np.asarray(said, dtype="float64")
        if self.scale == "root":
            return np.asarray(np.maximum(values, 0.0) ** 2)
        return np.asarray(np.maximum(np.expm1(values), 0.0) if self.scale == "log" else values)

    def fit(self, X: Any, y: Any, **more: Any) -> Self:
        """Fit the model in place."""
        self.model.fit(X, self.there(y), **more)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return one number for each row, none of them negative."""
        return self.back(self.model.predict(X))
