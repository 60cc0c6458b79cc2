"""A model that reads a few components of many columns."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA


class Reduced(BaseEstimator):  # type: ignore[misc]
    """Give a model the principal components of its columns: so many as are a `share` of the columns, two at least."""

    def __init__(self, model: Any, share: float, seed: int = 0) -> None:
        self.model = model
        self.share = share
        self.seed = seed

    @property
    def classes_(self) -> np.ndarray:
        """The labels of a classifier."""
        return np.asarray(self.model.classes_)

    def learn(self, X: Any) -> np.ndarray:
        """Find the components; return them for the same rows."""
        parts = min(max(2, round(self.share * X.shape[1])), *X.shape)
        self.components_ = PCA(parts, random_state=self.seed).fit(X)
        return self.reduce(X)

    def reduce(self, X: Any) -> np.ndarray:
        """Return the components of rows, as PCA's `transform` does, whose checks take longer than one row does."""
        parts = self.components_
        return np.asarray(X @ parts.components_.T - parts.mean_ @ parts.components_.T)

    def fit(self, X: Any, y: Any, **more: Any) -> Self:
        """Find the components, and fit the model in place on them."""
        self.model.fit(self.learn(X), y, **more)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return what the model says of the components."""
        return np.asarray(self.model.predict(self.reduce(X)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class, if the model is a classifier."""
        return np.asarray(self.model.predict_proba(self.reduce(X)))
