"""The metrics, each one a function of a few sums over rows, so that any of them can be resampled fast.

A metric turns rows into parts (`n × m`), and sums of parts into a score. Resampling rows then only means
adding parts up with other weights, and a paired comparison shares the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from everfit.errors import SpecError, did_you_mean
from everfit.search.decision import name_of
from everfit.search.predicted import Predicted

Parts = Callable[[np.ndarray, Predicted, np.ndarray], np.ndarray]
Finish = Callable[[np.ndarray], np.ndarray]

CLASSIFICATION = frozenset({"binary", "multiclass"})
REGRESSION = frozenset({"regression"})
SHARE = (0.0, 1.0)
TINY = 1e-7  # the least probability that a log loss believes


@dataclass(frozen=True)
class Metric:
    """One metric: which way is better, which tasks it fits, whether it reads probabilities, and its two halves.

    `parts(y, predicted, weight)` are unweighted rows; `finish` takes their weighted sums on the last axis.
    For ranking metrics the parts are a linearisation around the score of these rows (exact in the sums that
    give the score itself, first order in resamples).
    """

    name: str
    greater: bool
    tasks: frozenset[str]
    probabilities: bool
    parts: Parts
    finish: Finish
    within: tuple[float, float] = (-np.inf, np.inf)
    """What no score leaves, for those whose resamples may: a linearisation knows no ends."""

    def score(self, y: np.ndarray, predicted: Predicted, weight: np.ndarray | None = None) -> float:
        """Return the score in its natural orientation; NaN when the rows do not define it."""
        weights = np.ones(len(y)) if weight is None else np.asarray(weight, dtype="float64")
        with np.errstate(all="ignore"):
            sums = weights @ self.parts(np.asarray(y), predicted, weights)
            return float(self.finish(sums))

    def gain(self, score: float) -> float:
        """Return the score as something of which more is better."""
        return score if self.greater else -score


def _codes(y: np.ndarray, predicted: Predicted) -> tuple[np.ndarray, np.ndarray, int]:
    """Return labels as positions in the classes; labels that the model never saw come after them."""
    assert predicted.classes is not None
    assert predicted.proba is not None
    known = {label: at for at, label in enumerate(predicted.classes.tolist())}
    for label in dict.fromkeys(np.asarray(y).tolist()):
        known.setdefault(label, len(known))
    codes = np.fromiter((known[label] for label in np.asarray(y).tolist()), dtype=int, count=len(y))
    proba = np.pad(predicted.proba, ((0, 0), (0, len(known) - predicted.proba.shape[1])))
    return codes, proba, len(known)


def _rows(values: np.ndarray) -> np.ndarray:
    return np.column_stack([values, np.ones(len(values))])


def _mean(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def log_losses(y: np.ndarray, predicted: Predicted) -> np.ndarray:
    """Return the log loss of each row."""
    codes, proba, _ = _codes(y, predicted)
    total = proba.sum(axis=1)
    return np.asarray(-np.log(np.clip(proba[np.arange(len(codes)), codes] / total, TINY, 1.0)))


def _log_loss(y: np.ndarray, predicted: Predicted, _: np.ndarray) -> np.ndarray:
    return _rows(log_losses(y, predicted))


def _brier(y: np.ndarray, predicted: Predicted, _: np.ndarray) -> np.ndarray:
    codes, proba, classes = _codes(y, predicted)
    squares = ((proba - np.eye(classes)[codes]) ** 2).sum(axis=1)
    return _rows(squares / 2 if classes <= 2 else squares)


def _hits(y: np.ndarray, predicted: Predicted) -> tuple[np.ndarray, np.ndarray, int]:
    codes, _, classes = _codes(y, predicted)
    return codes, _codes(predicted.values, predicted)[0], classes


def _accuracy(y: np.ndarray, predicted: Predicted, _: np.ndarray) -> np.ndarray:
    codes, said, _classes = _hits(y, predicted)
    return _rows((codes == said).astype("float64"))


def _confusion(y: np.ndarray, predicted: Predicted, _: np.ndarray) -> np.ndarray:
    """Return for each class side by side: is it, was said, both."""
    codes, said, classes = _hits(y, predicted)
    truth, guess = np.eye(classes)[codes], np.eye(classes)[said]
    return np.hstack([truth, guess, truth * guess])


def _balanced(sums: np.ndarray) -> np.ndarray:
    truth, _, both = np.split(sums, 3, axis=-1)
    return np.asarray(np.nanmean(np.where(truth > 0, both / truth, np.nan), axis=-1))


def _f1(sums: np.ndarray) -> np.ndarray:
    truth, guess, both = np.split(sums, 3, axis=-1)
    return np.asarray(np.nanmean(np.where(truth + guess > 0, 2 * both / (truth + guess), np.nan), axis=-1))


def _roc_auc(y: np.ndarray, predicted: Predicted, weight: np.ndarray) -> np.ndarray:
    """Return placements: for each positive row the share of negatives below it, and the reverse (DeLong)."""
    codes, proba, classes = _codes(y, predicted)
    sides = [predicted.positive] if classes == 2 else range(classes)
    return np.hstack([_placements(codes == side, proba[:, side], weight) for side in sides])


def _placements(is_it: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    positive, negative = weight * is_it, weight * ~is_it
    _, level = np.unique(score, return_inverse=True)

    def below(mass: np.ndarray) -> np.ndarray:
        at_level = np.bincount(level, mass)
        return (np.cumsum(at_level) - at_level / 2)[level]

    under = below(negative) / negative.sum()
    over = 1 - below(positive) / positive.sum()
    auc = (positive @ under) / positive.sum()
    truth = is_it.astype("float64")
    return np.column_stack([truth * under, truth, (1 - truth) * (over - auc), 1 - truth])


def _auc(sums: np.ndarray) -> np.ndarray:
    four = sums.reshape(*sums.shape[:-1], -1, 4)
    sides = four[..., 0] / four[..., 1] + four[..., 2] / four[..., 3]
    known = np.isfinite(sides)
    return np.asarray(np.where(known.any(-1), np.where(known, sides, 0).sum(-1) / known.sum(-1), np.nan))


def _average_precision(y: np.ndarray, predicted: Predicted, weight: np.ndarray) -> np.ndarray:
    """Return the precision at each positive row, and the slope with which each other row moves it."""
    codes, proba, _ = _codes(y, predicted)
    is_it = codes == predicted.positive
    _, level = np.unique(-proba[:, predicted.positive], return_inverse=True)
    hits, rows = np.bincount(level, weight * is_it), np.bincount(level, weight)
    precision = np.cumsum(hits) / np.cumsum(rows)
    each = hits / np.cumsum(rows)
    pulled = np.cumsum((each * (1 - precision))[::-1])[::-1]  # one more positive row lifts every precision after it
    dragged = np.cumsum((each * precision)[::-1])[::-1]  # one more negative row lowers them
    slope = np.where(is_it, pulled[level], -dragged[level])
    return np.column_stack([is_it * precision[level], is_it.astype("float64"), slope, np.ones(len(codes))])


def _ap(sums: np.ndarray) -> np.ndarray:
    return np.asarray((sums[..., 0] + sums[..., 2]) / sums[..., 1])


def _error(y: np.ndarray, predicted: Predicted) -> np.ndarray:
    return np.asarray(np.asarray(y, dtype="float64") - predicted.values)


def _mae(y: np.ndarray, predicted: Predicted, _: np.ndarray) -> np.ndarray:
    return _rows(np.abs(_error(y, predicted)))


def _mape(y: np.ndarray, predicted: Predicted, _: np.ndarray) -> np.ndarray:
    return _rows(np.abs(_error(y, predicted)) / np.maximum(np.abs(np.asarray(y, dtype="float64")), 1e-9))


def _squares(y: np.ndarray, predicted: Predicted, _: np.ndarray) -> np.ndarray:
    return _rows(_error(y, predicted) ** 2)


def _root(sums: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(_mean(sums)))


def _explained(y: np.ndarray, predicted: Predicted, weight: np.ndarray) -> np.ndarray:
    truth = np.asarray(y, dtype="float64")
    away = truth - np.average(truth, weights=weight)  # centred, or large targets lose their digits
    return np.column_stack([_error(y, predicted) ** 2, away**2, away, np.ones(len(away))])


def _r2(sums: np.ndarray) -> np.ndarray:
    spread = sums[..., 1] - sums[..., 2] ** 2 / sums[..., 3]
    return np.asarray(np.where(spread > 0, 1 - sums[..., 0] / spread, np.nan))


METRICS: tuple[Metric, ...] = (
    Metric("roc_auc", True, CLASSIFICATION, True, _roc_auc, _auc, SHARE),
    Metric("average_precision", True, frozenset({"binary"}), True, _average_precision, _ap, SHARE),
    Metric("accuracy", True, CLASSIFICATION, False, _accuracy, _mean),
    Metric("balanced_accuracy", True, CLASSIFICATION, False, _confusion, _balanced),
    Metric("f1_macro", True, CLASSIFICATION, False, _confusion, _f1),
    Metric("log_loss", False, CLASSIFICATION, True, _log_loss, _mean),
    Metric("brier", False, CLASSIFICATION, True, _brier, _mean),
    Metric("mae", False, REGRESSION, False, _mae, _mean),
    Metric("rmse", False, REGRESSION, False, _squares, _root),
    Metric("r2", True, REGRESSION, False, _explained, _r2),
    Metric("mape", False, REGRESSION, False, _mape, _mean),
)


def metric(name: str, task: str | None = None) -> Metric:
    """Return a metric by name; raise SpecError when there is none, or it does not fit the task."""
    found = next((each for each in METRICS if each.name == name), None)
    names = [each.name for each in METRICS if task is None or task in each.tasks]
    if found is None:
        raise SpecError(f"There is no metric '{name}'.{did_you_mean(name, names)}")
    if task is not None and task not in found.tasks:
        raise SpecError(
            f"The metric '{name}' does not fit a {task} task.",
            do=f"Set search.metric to one of {', '.join(names)}, or leave it out for {default_metric(task)}.",
        )
    return found


def default_metric(task: str) -> str:
    """Return the metric that is used when the model file names none."""
    return {"binary": "roc_auc", "multiclass": "log_loss"}.get(task, "mae")


def cost(y: Any, predicted: Predicted, costs: Mapping[str, float], weight: Any = None) -> float:
    """Return what a row costs on average: nothing, or where its class was missed what that costs, by default 1."""
    truth = np.asarray(y).tolist()
    each = [
        0.0 if is_it == said else costs.get(name_of(is_it), 1.0)
        for is_it, said in zip(truth, predicted.values.tolist(), strict=True)
    ]
    return float(np.average(each, weights=None if weight is None else np.asarray(weight, dtype="float64")))


def row_losses(task: str, y: Any, predicted: Predicted) -> np.ndarray:
    """Return what each row cost, for monitoring: its log loss, or its absolute error."""
    truth = np.asarray(y)
    return np.asarray(np.abs(_error(truth, predicted))) if task == "regression" else log_losses(truth, predicted)
