"""Probabilities bent to what really happened, where models are too sure or not sure enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

LEAST = 1e-12  # the least probability that has a logarithm here


class Rescaled(BaseEstimator):  # type: ignore[misc]
    """Spread a share of `doubt` over all classes, multiply logarithms by `scale`, add `shift`, and make sums one again.

    One scale and no shift are temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).
    With two classes, one scale and a shift are Platt's logistic curve, and a scale for each class is beta calibration
    (Kull et al., AISTATS 2017). Scales are positive, so that two classes keep the order of rows.
    """

    def __init__(self, doubt: float = 0.0, scale: Any = 1.0, shift: Any = 0.0) -> None:
        self.doubt = doubt
        self.scale = scale
        self.shift = shift

    def transform(self, proba: np.ndarray) -> np.ndarray:
        """Return probabilities of the same shape, one row of which takes some ten microseconds."""
        return shares(self.scale * logarithms(proba, self.doubt) + self.shift)


class Stepwise(BaseEstimator):  # type: ignore[misc]
    """Read the second of two classes' probability off a curve that only rises, as isotonic regression finds it."""

    def __init__(self, said: np.ndarray, meant: np.ndarray) -> None:
        self.said = said
        self.meant = meant

    def transform(self, proba: np.ndarray) -> np.ndarray:
        """Return probabilities of the same shape."""
        meant = np.interp(proba[:, 1], self.said, self.meant)
        return np.column_stack([1.0 - meant, meant])


def logarithms(proba: np.ndarray, doubt: float = 0.0) -> np.ndarray:
    """Return logarithms of probabilities, a share of which is spread over all classes first."""
    spread = (1 - doubt) * proba + doubt / proba.shape[1] if doubt else proba
    return np.asarray(np.log(np.maximum(spread, LEAST)))


def shares(logs: np.ndarray) -> np.ndarray:
    """Return the probabilities whose logarithms these are, but for a constant of each row."""
    made = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(made / made.sum(axis=1, keepdims=True))
