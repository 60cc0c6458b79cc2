"""Models of several training windows that answer as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from everfit.models.classes import spread

Window = tuple[str, Any, float, int | None]
Offset = float | tuple[float, ...]  # of numbers and of two classes one, of more classes one each


class Portfolio(BaseEstimator):  # type: ignore[misc]
    """The weighted mean of pipelines that learnt from different windows of the past, moved by an offset.

    A member is (name of its window, fitted pipeline, weight, how many of the last rows it learns from; all if None).
    Weights sum to one. The `offset` is what recent labels say the mean is off by: units of the target, log-odds of the
    second of two classes, or a logarithm for each of more classes. `trust` is the share of the moved answer in what is
    said, between 0 and 1. The label is the class whose probability, times its one of `factors`, is the largest. Without
    `classes` members are regressors.
    """

    def __init__(
        self, members: Sequence[Window], offset: Offset = 0.0, trust: float = 1.0, classes: Any = None,
        factors: Any = None,
    ) -> None:  # fmt: skip
        self.members = members
        self.offset = offset
        self.trust = trust
        self.classes = classes
        self.factors = factors

    @property
    def classes_(self) -> np.ndarray:
        """The labels that columns of `predict_proba` are about."""
        if self.classes is None:
            raise AttributeError("a portfolio of regressors has no classes")
        return np.asarray(self.classes)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit every member again on its window of rows, which are in the order of time; weights and offset stay."""
        self.members = [
            (name, refitted(model, X, y, rows, sample_weight), weight, rows)
            for name, model, weight, rows in self.members
        ]
        self.classes = None if self.classes is None else np.unique(y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the number, or the label, of each row."""
        if self.classes is None:
            return moved(self.mean(X), self.offset, self.trust)
        return np.asarray(self.classes_[self.decide(self.predict_proba(X))])

    def decide(self, proba: np.ndarray) -> np.ndarray:
        """Return the position of the class that is said of each row, given its probabilities."""
        return np.asarray(np.argmax(proba if self.factors is None else proba * self.factors, axis=1))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class; only classifiers have it."""
        return moved(self.mean(X), self.offset, self.trust)

    def mean(self, X: Any) -> np.ndarray:
        """Return the weighted mean of what members say, before it is moved; one without weight is not asked."""
        parts = [weight * said(model, X, self.classes) for _, model, weight, _ in self.members if weight]
        return np.asarray(np.sum(parts, axis=0))

    def __sklearn_is_fitted__(self) -> bool:
        return True


def said(model: Any, X: Any, classes: Any = None) -> np.ndarray:
    """Return a model's numbers, or its probabilities of `classes`; it gives none to a class that it never saw."""
    if classes is None:
        return np.asarray(model.predict(X), dtype="float64")
    return spread(np.asarray(model.predict_proba(X), dtype="float64"), np.asarray(model.classes_), classes)


def moved(mean: np.ndarray, offset: Offset, trust: float = 1.0) -> np.ndarray:
    """Return answers moved by an offset, as far as that is trusted: numbers by units, two probabilities by log-odds.

    Those of more classes are moved by a logarithm each, and scaled to sum to one again (Saerens et al., Adjusting the
    Outputs of a Classifier to New a Priori Probabilities, 2002). An offset of other classes moves nothing.
    """
    if not np.any(offset) or not trust or np.size(offset) not in (1, mean.shape[-1]):
        return mean
    if mean.ndim == 1:
        return np.asarray(mean + trust * np.asarray(offset))
    if mean.shape[1] != 2:
        shares = mean * np.exp(np.asarray(offset))
        whole = np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        return np.asarray((1 - trust) * mean + trust * shares / whole)
    second = (1 - trust) * mean[:, 1] + trust * odds_to_share(share_to_odds(mean[:, 1]) + offset)
    return np.column_stack([1 - second, second])


def share_to_odds(share: np.ndarray) -> np.ndarray:
    """Return log-odds; shares closer to 0 or 1 than a millionth count as that."""
    inside = np.clip(share, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def odds_to_share(odds: np.ndarray) -> np.ndarray:
    """Return shares between 0 and 1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def refitted(model: Any, X: Any, y: Any, rows: int | None = None, sample_weight: Any = None) -> Any:
    """Return a copy of a pipeline that learnt anew, from the last so many rows."""
    last = slice(None) if rows is None else slice(-rows, None)
    more = {} if sample_weight is None else {"model__sample_weight": np.asarray(sample_weight)[last]}
    return clone(model).fit(X[last], np.asarray(y)[last], **more)
