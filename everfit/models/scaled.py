"""Targets of a common size for a regressor that learns badly from others."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class Scaled(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Let a regressor learn numbers of mean 0 and deviation 1, and turn back what it says."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def learn(self, y: Any, weight: Any = None) -> np.ndarray:
        """Remember mean and deviation; return the scaled numbers."""
        values = np.asarray(y, dtype="float64")
        self.center_ = float(np.average(values, weights=weight))
        spread = float(np.sqrt(np.average(np.square(values - self.center_), weights=weight)))
        self.scale_ = spread if np.isfinite(spread) and spread > 0 else 1.0
        return self.numbers(values)

    def numbers(self, y: Any) -> np.ndarray:
        """Return other numbers on the same scale."""
        return (np.asarray(y, dtype="float64") - self.center_) / self.scale_

    def fit(self, X: Any, y: Any, **more: Any) -> Self:
        """Fit the model in place, on scaled numbers."""
        self.model.fit(X, self.learn(y), **more)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return numbers on the scale that was learnt from."""
        return np.asarray(self.model.predict(X), dtype="float64") * self.scale_ + self.center_
