"""Which label is said, given probabilities: for metrics that read labels, and for classes that are dear to miss.

The label is the class whose probability, times a factor, is the largest. If probabilities are right, costs of missing
each class are the best factors for these costs (Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001), and the
inverse of the classes' shares are for balanced accuracy (Menon et al., Long-Tail Learning via Logit Adjustment, ICLR
2021); their root is a good start for F1. From there two classes are moved freely, which is a threshold, and more of
them along powers of their shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import ttest_1samp

from everfit.errors import SpecError, did_you_mean
from everfit.models.calibrated import LEAST, logarithms
from everfit.search.blending import Said
from everfit.search.predicted import Metric, Predicted

PARTS = 20  # of the rows
BAGS = 40  # half of the parts each; the factors are the mean of what is best for each of them
GROUPS = 10  # of parts, which judge what was chosen on the others
LEVEL = 0.1  # of the paired test
Finish = Callable[[np.ndarray], np.ndarray]
POWERS = {"balanced_accuracy": 1.0, "f1_macro": 0.5}


def applies(metric: Metric, costs: np.ndarray | None) -> bool:
    """Whether anything depends on which label is said."""
    return costs is not None or not metric.probabilities


def costs_of(said: Mapping[str, float], classes: np.ndarray | None) -> np.ndarray:
    """Return what it costs to miss each class, 1 where nothing is said; raise SpecError for one that is not there."""
    if classes is None:
        raise SpecError("search.costs are those of missing a class, and the target is a number.", do="Leave them out.")
    names = [name_of(label) for label in classes.tolist()]
    for name in said:
        if name not in names:
            raise SpecError(
                f"search.costs names the class '{name}', which the target never is.{did_you_mean(name, names)}",
                do=f"Name classes of the target: {', '.join(names[:10])}.",
            )
    return np.array([said.get(name, 1.0) for name in names])


def usual(metric: Metric, y: np.ndarray, weight: np.ndarray | None, classes: np.ndarray) -> np.ndarray | None:
    """Return the factors that suit a metric if probabilities are right; None where the likeliest class does.

    Trials say labels by them, so that they are ranked by what they know rather than by one half.
    """
    power = POWERS.get(metric.name, 0.0)
    shares = np.bincount(np.searchsorted(classes, y), weight, len(classes))
    return np.maximum(shares / shares.sum(), LEAST) ** -power if power else None


def name_of(label: Any) -> str:
    """Return what a model file calls a class."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def choose(seen: Said, proba: np.ndarray, costs: np.ndarray | None = None) -> np.ndarray | None:
    """Return the factor of each class, of which the largest is 1; None where the likeliest class is said.

    They begin with the costs, or with what is usual for the metric. What is best for the rows is the mean of what is
    best for many halves of them, as a metric of labels goes up and down in steps. It is kept when, chosen on other
    parts of the rows, it is better than the beginning in a paired test.
    """
    line = _Steps.of(seen, proba, costs)
    logs = line.begin + (line.best(np.arange(PARTS)) if line.is_better() else 0.0) * line.direction
    factors = np.exp(logs - logs.max())
    return None if np.allclose(factors, 1.0) else factors


@dataclass(frozen=True)
class _Steps:
    """What labels are worth at each step in a direction: `sums` are step × part of the rows × what `finish` wants."""

    sums: np.ndarray
    steps: np.ndarray
    begin: np.ndarray
    direction: np.ndarray
    finish: Finish

    @classmethod
    def of(cls, seen: Said, proba: np.ndarray, costs: np.ndarray | None) -> _Steps:
        """Say labels at every step, and count for each part which class was said to be which."""
        assert seen.classes is not None
        count, rows = len(seen.classes), len(seen.y)
        codes = np.searchsorted(seen.classes, seen.y)
        weight = np.ones(rows) if seen.weight is None else seen.weight
        shares = (np.bincount(codes, weight, minlength=count) + 1) / (weight.sum() + count)
        begin = np.log(next((each for each in (costs, seen.factors) if each is not None), np.ones(count)))
        direction, steps = _line(shares)
        logs, place = logarithms(proba) + begin, (np.arange(rows) % PARTS * count + codes) * count
        pairs, finish = _measure(seen, costs)
        sums = [
            np.bincount(place + np.argmax(logs + step * direction, axis=1), weight, PARTS * count**2).reshape(PARTS, -1)
            @ pairs
            for step in steps
        ]
        return cls(np.array(sums), steps, begin, direction, finish)

    def gains(self, sums: np.ndarray) -> np.ndarray:
        """Return what sums are worth, of which more is better."""
        with np.errstate(all="ignore"):
            return self.finish(sums)

    def best(self, parts: np.ndarray) -> float:
        """Return the mean of the steps that are best for random halves of some parts."""
        chance = np.random.default_rng(0)
        halves = [chance.choice(parts, len(parts) // 2, replace=False) for _ in range(BAGS)]
        gains = np.nan_to_num(self.gains(np.stack([self.sums[:, half].sum(axis=1) for half in halves])), nan=-np.inf)
        highest = gains >= gains.max(axis=1, keepdims=True) - 1e-12
        return float(np.mean((highest * self.steps).sum(axis=1) / highest.sum(axis=1)))

    def is_better(self) -> bool:
        """Whether steps that are chosen without a group of parts are better for it than the start."""
        group = np.arange(PARTS) % GROUPS
        chosen = [self._nearest(self.best(np.flatnonzero(group != each))) for each in range(GROUPS)]
        said = np.array([self.sums[at, group == each].sum(axis=0) for each, at in enumerate(chosen)])
        plain = np.array([self.sums[self._nearest(0.0), group == each].sum(axis=0) for each in range(GROUPS)])
        differences = self.gains(said) - self.gains(plain)
        known = differences[np.isfinite(differences)]
        if len(known) < 3 or np.std(known) == 0:
            return False
        return bool(ttest_1samp(known, 0.0, alternative="greater").pvalue < LEVEL)

    def _nearest(self, step: float) -> int:
        return int(np.argmin(np.abs(self.steps - step)))


def _line(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction in which logarithms of factors are moved, and steps, of which the middle one is none."""
    if len(shares) == 2:
        return np.array([0.0, 1.0]), np.linspace(-3, 3, 81)
    return -np.log(shares), np.linspace(-1, 1, 41)


def _measure(seen: Said, costs: np.ndarray | None) -> tuple[np.ndarray, Finish]:
    """Return what a measure sums of each pair of a true class and one that was said, and what it makes of the sums.

    More of it is better.
    """
    assert seen.classes is not None
    same, measure = np.eye(len(seen.classes)), seen.metric
    if costs is not None:
        missed = (costs[:, None] * (1 - same)).ravel()
        return np.column_stack([missed, np.ones(missed.size)]), lambda sums: -sums[..., 0] / sums[..., 1]
    truth, said = np.repeat(seen.classes, len(same)), np.tile(seen.classes, len(same))
    predicted = Predicted(said, np.tile(same, (len(same), 1)), seen.classes)
    pairs = measure.parts(truth, predicted, np.ones(len(truth)))
    return pairs, measure.finish if measure.greater else lambda sums: -measure.finish(sums)
