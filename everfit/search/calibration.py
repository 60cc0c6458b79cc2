"""How probabilities are bent to what really happened, chosen by evidence on rows that the models did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import ttest_1samp
from sklearn.isotonic import IsotonicRegression

from everfit.models.calibrated import LEAST, Rescaled, Stepwise, logarithms, shares
from everfit.search.blending import Said
from everfit.search.tasks import RANKINGS

NONE, DOUBT = "none", "doubt"
DOUBTS = (0.0, 1e-4, 1e-3, 1e-2)
SCALES = (0.1, 10.0)
LEVEL = 0.1  # of the paired test
HARMLESS = 1e-6  # loss of a metric, such as by two probabilities that became equal near one
LEAST_GAIN = 2e-3  # of the loss; less is nothing
CELLS = 100_000  # rows times classes that are judged by; more cost time and change little
MANY = 1000  # rows of each class that steps are learnt from


@dataclass(frozen=True)
class Facts:
    """Probabilities of rows, whose classes are known by their number; weights have a mean of one."""

    proba: np.ndarray
    codes: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, seen: Said, proba: np.ndarray) -> Facts:
        """Read labels and weights of the rows that candidates spoke of."""
        assert seen.classes is not None
        weight = np.ones(len(seen.y)) if seen.weight is None else seen.weight / np.mean(seen.weight)
        return cls(np.asarray(proba, dtype="float64"), np.searchsorted(seen.classes, seen.y), weight)

    def take(self, rows: np.ndarray) -> Facts:
        """Return some rows, by position or mask."""
        return Facts(self.proba[rows], self.codes[rows], self.weight[rows])

    def losses(self, proba: np.ndarray) -> np.ndarray:
        """Return the weighted log loss of each row."""
        said = proba[np.arange(len(self.codes)), self.codes]
        return np.asarray(-self.weight * np.log(np.maximum(said, LEAST)))


Fit = Callable[[Facts], Any]


def scale_of(classes: np.ndarray, y: np.ndarray, proba: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return what the logarithms of probabilities should be multiplied by, of 100,000 rows times classes at most.

    Averages of trees are not sure enough where the classes lie apart, and boosted trees are too sure where they do not.
    """
    rows = slice(None, None, max(1, -(-len(y) * len(classes) // CELLS)))
    known = np.ones(len(y)) if weight is None else weight / np.mean(weight)
    facts = Facts(np.asarray(proba[rows], dtype="float64"), np.searchsorted(classes, y[rows]), known[rows])
    return float(_descended(facts, 0.0, 1, shifts=False).scale[0])


def choose(seen: Said, proba: np.ndarray) -> tuple[str, Any]:
    """Return the name of a calibration and the fitted calibrator; `none` and None where nothing is clearly better.

    Each is fitted on all parts of the rows but one, which judges it. What has more parameters has to beat what has
    fewer, by log loss in a paired test, and a metric that reads probabilities must not get worse by it.
    """
    facts, parts = Facts.of(seen, proba), seen.parts()
    chosen, said, fitted = NONE, facts.proba, None
    for name, fit in _kinds(seen, facts).items():
        bent = _out_of_part(fit, facts, parts)
        if _is_better(facts.losses(bent), facts.losses(said), parts) and _is_harmless(seen, facts.proba, fit(facts)):
            chosen, said, fitted = name, bent, fit(facts)
    return chosen, fitted


def _is_harmless(seen: Said, proba: np.ndarray, made: Any) -> bool:
    """Whether a metric that reads probabilities is as good as before; what comes of labels is decided later."""
    return not seen.metric.probabilities or seen.gain(made.transform(proba)) >= seen.gain(proba) - HARMLESS


def _kinds(seen: Said, facts: Facts) -> dict[str, Fit]:
    """Return what may be tried, that with few parameters first."""
    count = facts.proba.shape[1]
    kinds: dict[str, Fit] = {DOUBT: _doubting, "temperature": lambda some: _rescaled(some, 1, shifts=False)}
    kinds["platt" if count == 2 else "shifted temperature"] = lambda some: _rescaled(some, 1, shifts=True)
    kinds["beta" if count == 2 else "vector"] = lambda some: _rescaled(some, count, shifts=True)
    steps = seen.metric.name not in RANKINGS  # which they make rows equal for that were not
    if count == 2 and steps and np.bincount(facts.codes, minlength=2).min() >= MANY:
        kinds["isotonic"] = _stepwise
    return kinds


def _out_of_part(fit: Fit, facts: Facts, parts: np.ndarray) -> np.ndarray:
    """Return what a calibration makes of each part's rows, learnt from those of the others."""
    made = np.empty_like(facts.proba)
    for part in np.unique(parts):
        judged = parts == part
        made[judged] = fit(facts.take(~judged)).transform(facts.proba[judged])
    return made


def _is_better(losses: np.ndarray, before: np.ndarray, parts: np.ndarray) -> bool:
    """Whether the mean losses of parts are lower than before, by a one-sided t-test, and by more than nothing."""
    gains = np.array([np.mean(before[parts == part] - losses[parts == part]) for part in np.unique(parts)])
    if np.mean(gains) <= LEAST_GAIN * np.mean(before) or np.std(gains) == 0:
        return False
    return bool(ttest_1samp(gains, 0.0, alternative="greater").pvalue < LEVEL)


def _doubting(facts: Facts) -> Rescaled:
    """Return the share of doubt that log loss likes best: a forest's zero is no certainty."""
    return _best(facts, map(Rescaled, DOUBTS))


def _rescaled(facts: Facts, scales: int, *, shifts: bool) -> Rescaled:
    """Fit one scale, or one for each class, and shifts, with doubt or without it."""
    doubts = {0.0, _doubting(facts).doubt}
    return _best(facts, (_descended(facts, doubt, scales, shifts=shifts) for doubt in sorted(doubts)))


def _best(facts: Facts, made: Iterable[Rescaled]) -> Rescaled:
    return min(made, key=lambda each: float(facts.losses(each.transform(facts.proba)).mean()))


def _descended(facts: Facts, doubt: float, scales: int, *, shifts: bool) -> Rescaled:
    """Go down the log loss; a term as of one row draws all to no change, and so shifts of a class that is absent."""
    count = facts.proba.shape[1]
    logs, truth = logarithms(facts.proba, doubt), np.eye(count)[facts.codes]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        said = shares(values[:scales] * logs + (values[scales:] if shifts else 0.0))
        off = (said - truth) * facts.weight[:, None]
        slope = (off * logs).sum(axis=0) if scales > 1 else (off * logs).sum(keepdims=True)[0]
        gradient = np.concatenate([slope, off.sum(axis=0)]) if shifts else slope
        away = values - start
        return float(facts.losses(said).sum() + away @ away / 2), gradient + away

    start = np.concatenate([np.ones(scales), np.zeros(count if shifts else 0)])
    bounds = [SCALES] * scales + [(None, None)] * (len(start) - scales)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Rescaled(doubt, found[:scales], found[scales:] if shifts else 0.0)


def _stepwise(facts: Facts) -> Stepwise:
    """Fit steps, none of which is certain: as if there were one more row of each class."""
    steps = IsotonicRegression(out_of_bounds="clip").fit(facts.proba[:, 1], facts.codes, sample_weight=facts.weight)
    least = 1 / (len(facts.codes) + 2)
    return Stepwise(steps.X_thresholds_, np.clip(steps.y_thresholds_, least, 1 - least))
