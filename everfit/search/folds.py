"""Which rows a trial learns from and which score it, within the rows that the search was given."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd

from everfit.errors import DataError

ROUNDS = 300
MOST_ROUNDS = 3000
COST = 4e-6  # seconds that so many rounds of boosting take for each row and column, on an ordinary core
TRIALS = 16  # so many trials of boosting at least should fit into the budget of one worker
JUDGES = 2000  # rows at least that score a trial, where that many are there
FEWEST = 1000  # rows that a sample keeps at least
PARTS = 8
MANY, MANY_PARTS = 5_000, 10  # of so many rows a tenth is enough to judge by, and the rest is better to learn from


@dataclass(frozen=True)
class Fold:
    """Positions of rows to learn from, and of rows that score."""

    train: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True)
class Effort:
    """How much work a trial is: decided by sizes and budget alone, so that it repeats."""

    folds: int  # that each trial does
    parts: int  # that the rows are dealt into, each of which can judge what learns from the others
    rows: int
    rounds: int

    @classmethod
    def of(cls, rows: int, columns: int, outputs: int, budget: float) -> Effort:
        """Choose eight folds, five, three or one, so that sixteen trials of a worker fit in, and boosting's rounds.

        The best of many trials on few rows is the luckiest, so two thousand rows are to judge, if an eighth of the
        budget is enough for one such trial.

        Fewer rows cost more quality than fewer trials or rounds, so a sample is what is left when one fit alone would
        take more than the budget.
        """
        fit = COST * rows * (columns + 10) * max(1, outputs / 4)
        share = budget / TRIALS
        parts = MANY_PARTS if rows >= MANY else PARTS
        folds = next((count for count in (PARTS, 5, 3) if count * fit <= share), 1)
        judged = min(parts, ceil(JUDGES * parts / max(1, rows)))
        folds = max(folds, judged) if judged * fit <= budget / 8 else folds
        enough = min(rows, max(FEWEST, rows if fit <= budget else int(rows * budget / fit)))
        a_round = fit * enough / max(1, rows) / ROUNDS
        return cls(folds, parts, enough, int(min(MOST_ROUNDS, max(ROUNDS / 3, 8 * share / max(a_round, 1e-9)))))


def sampled(rows: int, wanted: int, *, ordered: bool, seed: int) -> np.ndarray:
    """Return positions of a sample, ascending; evenly spaced when the order means something."""
    if wanted >= rows:
        return np.arange(rows)
    if ordered:
        return np.linspace(0, rows - 1, wanted).astype(int)
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def folds_of(
    rows: int,
    labels: np.ndarray | None,
    count: int,
    *,
    time: np.ndarray | None = None,
    group: np.ndarray | None = None,
    gap: float = 0.0,
    seed: int = 0,
) -> list[Fold]:
    """Make folds: later rows validate earlier ones, after a gap, groups stay whole, classes are spread evenly.

    `labels` are the classes of a classification; a fold that could not learn two of them is left out.
    """
    made = _by_time(time, count, gap) if time is not None else _spread(_units(rows, group), labels, count, seed)
    sound = [fold for fold in made if len(fold.valid) and len(fold.train) > 1 and _learnable(fold, labels)]
    if not sound:
        raise DataError(
            "No part of the rows can learn what another part can judge.",
            why="The rows that come first hold one class only, or all rows are the same"
            + (", or all of them are younger than data.label_delay." if gap else "."),
            do="Give more rows, or other ones.",
        )
    return sound


def _learnable(fold: Fold, labels: np.ndarray | None) -> bool:
    return labels is None or len(np.unique(labels[fold.train])) > 1


def _by_time(when: np.ndarray, count: int, gap: float) -> list[Fold]:
    """Cut the last half (or fifth, for one fold) into windows; each judges all rows before it, less the gap."""
    known = np.sort(when[~np.isnan(when)])
    if not len(known):
        return []
    shares = np.linspace(0.5 if count > 1 else 0.8, 1, count + 1)[:-1]
    cuts = np.unique(known[np.minimum((shares * len(known)).astype(int), len(known) - 1)])
    ends = [*cuts[1:], np.inf]
    return [
        Fold(np.flatnonzero((when < start) & (when <= start - gap)), np.flatnonzero((when >= start) & (when < end)))
        for start, end in zip(cuts, ends, strict=True)
    ]


def _units(rows: int, group: np.ndarray | None) -> np.ndarray:
    """Return for each row the number of the unit that it belongs to; rows without a group stand alone."""
    if group is None:
        return np.arange(rows)
    codes = pd.factorize(group)[0]
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes if len(np.unique(codes)) > 1 else np.arange(rows)


def _spread(units: np.ndarray, labels: np.ndarray | None, count: int, seed: int) -> list[Fold]:
    """Deal shuffled units out in the order of their classes, so that each fold has its share of each."""
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    classes = labels[first] if labels is not None else np.zeros(len(first))
    order = np.lexsort((np.random.default_rng(seed).random(len(first)), classes))
    hands = min(count, len(first))
    hand = np.empty(len(first), dtype=int)
    hand[order] = np.arange(len(first)) % hands
    return [Fold(np.flatnonzero(hand[unit] != k), np.flatnonzero(hand[unit] == k)) for k in range(hands)]
