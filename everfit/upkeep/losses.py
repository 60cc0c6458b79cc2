"""What a row costs, and how far answers are off as a whole.

Answers are an array of numbers, or of probabilities by class, whose truth is the position of the class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from everfit.models.portfolio import Offset, moved, odds_to_share, share_to_odds

Floats = np.ndarray[Any, np.dtype[np.float64]]

LEAST = 1e-3  # the least probability that a loss believes: one absurd row decides nothing
SQUARES = ("rmse", "r2")  # metrics that the mean answers best, as the median does the others
STEPS = 6  # of Newton's method, each of one at most


def classes_of(models: Iterable[Any], more: np.ndarray | None = None) -> np.ndarray | None:
    """Return the classes that any of the models knows, and `more`; None for numbers."""
    known = [np.asarray(model.classes_) for model in models if hasattr(model, "classes_")]
    known += [] if more is None else [more]
    return np.unique(np.concatenate(known)) if known else None


def truth_of(labels: Any, classes: np.ndarray | None) -> Floats:
    """Return labels as numbers, or as positions among sorted classes; those that are none of them come after all."""
    values = np.asarray(labels)
    return np.asarray(values, dtype="float64") if classes is None else positions(values, classes)


def positions(y: np.ndarray, classes: np.ndarray) -> Floats:
    """Return where each label is among sorted classes; one that is not among them comes after all."""
    at = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    return np.where(classes[at] == y, at, len(classes)).astype("float64")


def losses(said: Floats, truth: Floats, squared: bool = False) -> Floats:
    """Return each row's absolute or squared error, or its log loss.

    A class without a probability costs as one of a thousandth.
    """
    if said.ndim == 1:
        return np.square(said - truth) if squared else np.abs(said - truth)
    at = truth.astype(int)
    known = at < said.shape[1]
    share = np.where(known, said[np.arange(len(at)), np.where(known, at, 0)], 0.0)
    return np.asarray(-np.log(np.clip(share, LEAST, 1.0)))


def mean_loss(said: Floats, truth: Floats, squared: bool = False) -> float:
    """Return the mean loss; of squared errors its root, which has the unit of the target as an offset has."""
    mean = float(losses(said, truth, squared).mean())
    return math.sqrt(mean) if squared and said.ndim == 1 else mean


def offset(said: Floats, truth: Floats, squared: bool = False) -> tuple[Offset, Offset]:
    """Return by how much answers are off as a whole, and how much information that rests on: rows or Fisher's.

    The median error of numbers, or the mean one where squared errors count; of two classes the log-odds that give the
    second its share (a logistic regression with nothing but an intercept), and of more classes the logarithms that give
    each its share. Labels that are no class are left out.
    """
    if said.ndim == 1:
        return float((np.mean if squared else np.median)(truth - said)), float(len(said))
    if said.shape[1] != 2:
        return _logarithms(said, truth)
    odds, off, second = share_to_odds(said[:, 1]), 0.0, truth == 1
    for _ in range(STEPS):
        share = odds_to_share(odds + off)
        information = float((share * (1 - share)).sum())
        off += float(np.clip((second - share).sum() / (information + 1), -1, 1))
    return off, information


def _logarithms(said: Floats, truth: Floats) -> tuple[Offset, Offset]:
    """Return the intercepts of a multinomial regression, by Newton's method with the diagonal of its information."""
    said, at = said[truth < said.shape[1]], truth[truth < said.shape[1]].astype(int)
    counts, off = np.bincount(at, minlength=said.shape[1]), np.zeros(said.shape[1])
    for _ in range(STEPS):
        shares = moved(said, tuple(off))
        information = (shares * (1 - shares)).sum(axis=0)
        off += np.clip((counts - shares.sum(axis=0)) / (information + 1), -1, 1)
    return tuple(off.tolist()), tuple(information.tolist())


def shape_losses(said: Floats, truth: Floats, squared: bool = False) -> Floats:
    """Return the losses after the best offset for these very rows: what is left for a refit to mend."""
    return losses(moved(said, offset(said, truth, squared)[0]), truth, squared)


def of_a_constant(truth: Floats, classes: int = 0, squared: bool = False) -> float:
    """Return the mean loss of the best constant answer: a batch that is harder for everybody is no decline."""
    if not classes:
        return max(1e-12, float(shape_losses(np.zeros(len(truth)), truth, squared).mean()))
    known = np.minimum(truth.astype(int), classes)  # all classes that nobody knew are one more
    shares = np.bincount(known) + 0.5
    shares = shares / shares.sum()
    return float(-(shares * np.log(shares)).sum())
