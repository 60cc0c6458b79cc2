"""Class names for a vendor that knows class numbers only."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Named(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Let a classifier learn the numbers 0, 1, 2 … and answer with the labels behind them, whatever their type."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def learn(self, y: Any) -> np.ndarray:
        """Remember the classes; return each label's number."""
        self.classes_, numbers = np.unique(np.asarray(y), return_inverse=True)
        return np.asarray(numbers)

    def numbers(self, y: Any) -> np.ndarray:
        """Return the number of each label, all of which were learnt."""
        return np.searchsorted(self.classes_, np.asarray(y))

    def fit(self, X: Any, y: Any, **more: Any) -> Self:
        """Fit the model in place, on numbers."""
        self.model.fit(X, self.learn(y), **more)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class."""
        return np.asarray(self.model.predict_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest label of each row."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])
