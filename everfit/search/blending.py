"""Which models to average, and how much of each: greedy selection on what they said of rows not used to fit them.

Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004: begin with the best, then add, with
replacement, whatever improves the mean most. A blend is kept only when it beats the best single model on the same
rows in a paired test.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from everfit.search.predicted import Metric, of_array
from everfit.search.tasks import MEMBERS

STEPS = 25
START = 4  # so often is the best counted at first, or half of the second would be all that may be added of it
ROWS = 10_000  # to judge by; more cost time and change little
BAGS = 10
LEVEL = 0.25  # of the paired test; at .05 no blend passes on a few hundred rows, where blends help most
LEAST = 1e-6  # a relative gain below this is none


@dataclass(frozen=True)
class Said:
    """What candidates predicted for the same rows, by their numbers, and how that is judged.

    `folds` says which fold each row was judged in.
    """

    said: Mapping[int, np.ndarray]
    y: np.ndarray
    weight: np.ndarray | None
    folds: np.ndarray
    metric: Metric
    classes: np.ndarray | None = None  # of a classification, whose `y` are labels
    positive: object = None
    factors: np.ndarray | None = None  # by which labels are said
    _known: dict[tuple[tuple[int, float], ...], float] = field(default_factory=dict, init=False, repr=False)

    def mean(self, counts: Mapping[int, float]) -> np.ndarray:
        """Return the weighted mean of some candidates."""
        total = sum(counts.values())
        return np.asarray(sum(self.said[number] * np.float32(count / total) for number, count in counts.items()))

    def scores(self, said: np.ndarray) -> np.ndarray:
        """Return the score of each fold."""
        return self._by(said, self.folds)

    def gain(self, said: np.ndarray) -> float:
        """Return the mean score of the folds, of which more is better."""
        mean = float(np.nanmean(self.scores(said)))
        return mean if self.metric.greater else -mean

    def gain_of(self, counts: Mapping[int, float]) -> float:
        """Return the same of the weighted mean of some candidates, which is reckoned once."""
        key = tuple(sorted(counts.items()))
        if key not in self._known:
            self._known[key] = self.gain(self.mean(counts))
        return self._known[key]

    def error_of(self, counts: Mapping[int, float]) -> float:
        """Return the mean loss of such a mean, or what its mean score lacks of 1."""
        return float(self.metric.greater) - self.gain_of(counts)

    def gains(self, said: np.ndarray) -> np.ndarray:
        """Return the gain in each part of the rows."""
        scores = self._by(said, self.parts())
        return scores if self.metric.greater else -scores

    def parts(self) -> np.ndarray:
        """Return which part each row belongs to: its fold, or one of ten bags where there are fewer than five folds."""
        return self.folds if len(np.unique(self.folds)) >= 5 else np.arange(len(self.y)) % BAGS

    def _by(self, said: np.ndarray, part: np.ndarray) -> np.ndarray:
        parts = [part == at for at in np.unique(part)]
        return np.array([
            self.metric.score(self.y[rows], of_array(said[rows], self.classes, self.positive, self.factors),
                              None if self.weight is None else self.weight[rows])
            for rows in parts
        ])  # fmt: skip


Price = Callable[[Collection[int]], float]


def choose(given: Said, price: Price, most: float = float("inf"), until: float = float("inf")) -> dict[int, float]:
    """Return the weights of the members, which sum to one; of the best alone where no blend is better for sure.

    `price` says what some candidates cost together; nothing that costs more than `most` is made, if that can be, and
    nothing is added after `until` (monotonic seconds).
    """
    least = min(price([number]) for number in given.said)
    bound = most if least <= most else 1.2 * least  # where nothing is cheap enough, what is nearly so
    affordable = [number for number in given.said if price([number]) <= bound]
    best = max(affordable, key=lambda number: given.gain_of({number: 1.0}))
    counts = _greedy(given, best, price, most, until)
    if len(counts) > 1 and _better(given.gains(given.mean(counts)), given.gains(given.said[best])):
        total = sum(counts.values())
        return {number: count / total for number, count in counts.items()}
    return {best: 1.0}


def _greedy(given: Said, best: int, price: Price, most: float, until: float) -> dict[int, float]:
    counts: dict[int, float] = {best: float(START)}
    reached = given.gain_of({best: 1.0})
    for _ in range(STEPS):
        if clock.monotonic() > until:
            break
        tried = {number: counts | {number: counts.get(number, 0.0) + 1.0} for number in given.said}
        allowed = {n: made for n, made in tried.items() if len(made) <= MEMBERS and price(made) <= most}
        if not allowed:
            break
        gains = {number: given.gain_of(made) for number, made in allowed.items()}
        chosen = max(gains, key=lambda number: gains[number])
        if not gains[chosen] > reached + LEAST * abs(reached):
            break
        counts, reached = allowed[chosen], gains[chosen]
    return counts


def _better(blend: Sequence[float] | np.ndarray, single: Sequence[float] | np.ndarray) -> bool:
    """Whether paired gains are higher, by a one-sided t-test."""
    differences = np.asarray(blend) - np.asarray(single)
    differences = differences[np.isfinite(differences)]
    if len(differences) < 3 or np.std(differences) == 0:
        return bool(len(differences) and np.mean(differences) > 0)
    return bool(stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue < LEVEL)
