"""Trees that vote, none of which is sure of what it has never seen."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from everfit.models.doubt import doubt


class Doubting(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Mix what a forest says with the shares of the classes among the rows that it learnt from."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def classes_(self) -> np.ndarray:
        """The labels that columns of `predict_proba` are about."""
        return np.asarray(self.model.classes_)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the forest in place; one that grows by `warm_start` may be fitted again."""
        self.model.fit(X, y, sample_weight=sample_weight)
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype="float64")
        counts = np.bincount(np.searchsorted(self.classes_, np.asarray(y)), weight, len(self.classes_))
        self.shares_ = counts / counts.sum()
        return self

    def mixed(self, said: np.ndarray) -> np.ndarray:
        """Return what the forest said, with a little doubt."""
        return np.asarray(said + doubt(len(self.model.estimators_)) * (self.shares_ - said))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class."""
        return self.mixed(np.asarray(self.model.predict_proba(X)))

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest label of each row."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])
