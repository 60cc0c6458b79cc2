"""Nearest neighbours whose rows count by their weight, which scikit-learn's do not know."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from everfit.models.doubt import doubt


class Weighed(BaseEstimator):  # type: ignore[misc]
    """Let a regressor of neighbours learn each answer times its row's weight, and the weight; answer with the ratio.

    Of labels, it learns whether each class is the row's; the ratios are probabilities, none of which is nothing.
    """

    shares_: np.ndarray | None = None  # of the classes

    def __init__(self, model: Any, classifies: bool = False) -> None:
        self.model = model
        self.classifies = classifies

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model in place."""
        answers = np.asarray(y)
        if self.classifies:
            self.classes_, numbers = np.unique(answers, return_inverse=True)
            answers = np.eye(len(self.classes_))[numbers]
        weight = np.ones(len(answers)) if sample_weight is None else np.asarray(sample_weight, dtype="float64")
        if self.classifies:
            self.shares_ = np.average(answers, axis=0, weights=weight)
        columns = np.column_stack([answers, np.ones(len(answers))])
        self.model.fit(X, columns * (weight / weight.mean())[:, None])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the number, or the likeliest label, of each row."""
        said = self._ratios(X)
        return np.asarray(self.classes_[np.argmax(said, axis=1)] if self.classifies else said[:, 0])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class."""
        return self._ratios(X)

    def _ratios(self, X: Any) -> np.ndarray:
        said = self.model.predict(X)
        ratios = np.asarray(said[:, :-1] / said[:, -1:])
        return ratios if self.shares_ is None else ratios + doubt(self.model.n_neighbors) * (self.shares_ - ratios)
