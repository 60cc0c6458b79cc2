"""A classifier that is too sure, or not sure enough, beside others."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from everfit.models.calibrated import Rescaled


class Tempered(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Multiply the logarithms of a classifier's probabilities by `scale`, which another fit leaves as it is."""

    def __init__(self, model: Any, scale: float = 1.0) -> None:
        self.model = model
        self.scale = scale

    @property
    def classes_(self) -> np.ndarray:
        """The labels that columns of `predict_proba` are about."""
        return np.asarray(self.model.classes_)

    def fit(self, X: Any, y: Any, **more: Any) -> Self:
        """Fit the classifier in place."""
        self.model.fit(X, y, **more)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class."""
        return self.bent(np.asarray(self.model.predict_proba(X)))

    def bent(self, said: np.ndarray) -> np.ndarray:
        """Return what the classifier said, as sure as it should be."""
        return Rescaled(scale=self.scale).transform(said)

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest label of each row."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])
