"""What a model says about rows, in one shape for every kind of task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Predicted:
    """Labels or numbers in `values`; for classification also one probability per row and class."""

    values: np.ndarray
    proba: np.ndarray | None = None
    classes: np.ndarray | None = None
    positive: int = 1  # which class scores of a binary task are about

    def __len__(self) -> int:
        return len(self.values)

    @property
    def score(self) -> np.ndarray | None:
        """Return the probability of the positive class of a binary task; None for every other task."""
        binary = self.proba is not None and self.proba.shape[1] == 2
        return self.proba[:, self.positive] if self.proba is not None and binary else None

    def take(self, rows: np.ndarray) -> Predicted:
        """Return the same for some rows, by position or mask."""
        proba = None if self.proba is None else self.proba[rows]
        return Predicted(self.values[rows], proba, self.classes, self.positive)


class Metric(Protocol):
    """What the search needs to know of a metric; `everfit.evaluation` has the real ones."""

    @property
    def name(self) -> str:
        """Return the name that model files use."""

    @property
    def greater(self) -> bool:
        """Return whether more is better."""

    @property
    def probabilities(self) -> bool:
        """Return whether it reads probabilities; else labels, or numbers."""

    @property
    def parts(self) -> Callable[[np.ndarray, Predicted, np.ndarray], np.ndarray]:
        """Return what makes the parts of each row, whose weighted sums are what `finish` wants."""

    @property
    def finish(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return what makes scores of sums on the last axis."""

    def score(self, y: np.ndarray, predicted: Predicted, weight: np.ndarray | None = None) -> float:
        """Return the score in its natural orientation; NaN when the rows do not define it."""


def predict(model: Any, frame: Any, task: str, positive: Any = None) -> Predicted:
    """Ask a fitted model about every row of a frame (or matrix)."""
    said = model.predict(frame) if task == "regression" else model.predict_proba(frame)
    return as_predicted(model, np.asarray(said, dtype="float64"), positive)


def as_predicted(model: Any, said: np.ndarray, positive: Any = None) -> Predicted:
    """Return the numbers, or the probabilities and the labels that follow from them, that a model said of rows."""
    if said.ndim == 1:
        return Predicted(said)
    classes = np.asarray(model.classes_)
    return Predicted(classes[_decided(model, said)], said, classes, _positive(classes, positive))


def _decided(model: Any, proba: np.ndarray) -> np.ndarray:
    """Return the position of the class that a model says of each row, which need not be the likeliest."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return np.asarray(last.decide(proba) if hasattr(last, "decide") else np.argmax(proba, axis=1))


def to_array(predicted: Predicted, classes: np.ndarray | None) -> np.ndarray:
    """Return numbers, or probabilities with a column for each class of the problem; single precision."""
    if classes is None or predicted.proba is None or predicted.classes is None:
        return np.asarray(predicted.values, dtype="float32")
    full = np.zeros((len(predicted), len(classes)), dtype="float32")
    full[:, np.searchsorted(classes, predicted.classes)] = predicted.proba
    return full


def of_array(
    said: np.ndarray, classes: np.ndarray | None, positive: Any = None, factors: np.ndarray | None = None
) -> Predicted:
    """Return what `to_array` was given; the label is the likeliest class, each counted by its factor."""
    if classes is None:
        return Predicted(np.asarray(said, dtype="float64"))
    labels = classes[np.argmax(said if factors is None else said * factors, axis=1)]
    return Predicted(labels, said.astype("float64"), classes, _positive(classes, positive))


def _positive(classes: np.ndarray, positive: Any) -> int:
    """Return which class is the positive one: the last of them, unless it is named."""
    which = np.flatnonzero(classes == positive) if positive is not None else np.array([])
    return int(which[0]) if len(which) else len(classes) - 1
