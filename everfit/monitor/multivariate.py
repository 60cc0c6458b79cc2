"""Can the batch be told apart from the past by all columns together? They may only go together in another way.

A classifier learns which rows are new, and is judged on rows that it did not learn from (Lopez-Paz and Oquab 2017).
Of equal data its AUC is that of a coin, whose spread is known (Mann and Whitney 1947). Each part of the rows is judged
by what the parts before it taught (Dawid 1984), so that the errors of parts add up as if these were independent; those
of a cross-validation do not, and gave twice as many false alarms as they should.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier

from everfit.monitor.answered import ROWS
from everfit.monitor.counts import Floats, sample
from everfit.monitor.findings import Finding, finite, listed
from everfit.monitor.matrix import matrix
from everfit.monitor.view import View
from everfit.schema import Schema

SIGNAL = "multivariate drift"
PARTS = 4
FEWEST = 200  # rows of a side: of fewer, parts are too small for the normal law
MATTERS = 0.55  # AUC: what chance alone gives large samples is significant long before it is of interest
NAMED = 0.01  # of AUC that is lost without a column
TREES: dict[str, Any] = {
    "max_iter": 20, "learning_rate": 0.2, "max_leaf_nodes": 8, "min_samples_leaf": 20, "early_stopping": False,
    "class_weight": "balanced", "random_state": 0,
}  # fmt: skip


@dataclass(frozen=True)
class _Judged:
    """A classifier, and the rows that judge it: which of them are new?"""

    model: Any
    X: Floats
    new: np.ndarray

    @classmethod
    def of(cls, X: Floats, new: np.ndarray, part: np.ndarray, at: int) -> _Judged:
        """Learn from the parts before one."""
        model = HistGradientBoostingClassifier(**TREES).fit(X[part < at], new[part < at])
        return cls(model, X[part == at], new[part == at])

    def area(self, X: Floats) -> float:
        """Return the share of pairs of an old and a new row in which the new one looks newer."""
        ranks, news = stats.rankdata(self.model.decision_function(X)), int(self.new.sum())
        return float((ranks[self.new].sum() - news * (news + 1) / 2) / (news * (len(X) - news)))

    @property
    def variance(self) -> float:
        """That of the area, of equal data."""
        news, olds = int(self.new.sum()), int((~self.new).sum())
        return (news + olds + 1) / (12 * news * olds)


@dataclass(frozen=True)
class _Apart:
    """How well two sides are told apart, and by which columns."""

    judged: list[_Judged]
    names: tuple[str, ...]
    area: float
    error: float

    @classmethod
    def of(cls, past: pd.DataFrame, now: pd.DataFrame, columns: Schema) -> _Apart | None:
        """Judge each part but the first; None where no column can be compared."""
        table = matrix([past, now], columns)
        if table.empty:
            return None
        new = np.repeat([False, True], [len(past), len(now)])
        part = np.concatenate([np.arange(len(side)) * PARTS // len(side) for side in (past, now)])
        judged = [_Judged.of(table.to_numpy(), new, part, at) for at in range(1, PARTS)]
        area = float(np.mean([each.area(each.X) for each in judged]))
        return cls(judged, tuple(map(str, table)), area, sum(each.variance for each in judged) ** 0.5 / len(judged))


def judge(view: View) -> Finding:
    """Ask to watch when a batch is told apart by more than chance, and name the columns that do it.

    Where the latest past rows are told from those before them as well as the batch is, that is how this past moves.
    """
    past, now = (sample(frame, ROWS) for frame in (view.reference, view.current))
    fewest, needed = min(len(past), len(now)), max(FEWEST, view.policy.min_rows)
    if fewest < needed:
        return Finding.cannot_judge(SIGNAL, f"not enough rows: {fewest:,} on a side, {needed:,} needed")
    apart = _Apart.of(past, now, view.inputs)
    if apart is None:
        return Finding.cannot_judge(SIGNAL, "no column can be compared")
    statistic = (apart.area - 0.5) / apart.error
    p_value, usual = float(stats.norm.sf(statistic)), None
    speaks = p_value < view.policy.significance and apart.area >= MATTERS
    if speaks:
        latest = min(len(now), len(past) // 3)
        usual = _Apart.of(past.iloc[:-latest], past.iloc[-latest:], view.inputs)
        speaks = usual is None or apart.area - usual.area > 2 * np.hypot(apart.error, usual.error)
    names = _named(apart, view) if speaks else ()
    return Finding(
        SIGNAL,
        _told(apart, usual, p_value, names, view),
        severity="watch" if speaks else "fine",
        columns=names,
        statistic=finite(statistic),
        p_value=finite(p_value),
        effect=finite(apart.area, 3),
    )


def _named(apart: _Apart, view: View) -> tuple[str, ...]:
    """Return the columns without whose values the area is smaller, that with the largest loss first.

    Where many columns moved, none is missed by itself: then they are those that moved.
    """
    lost = np.mean([_lost(each) for each in apart.judged], axis=0)
    needed = tuple(apart.names[at] for at in np.argsort(-lost, kind="stable") if lost[at] >= NAMED)
    return needed or tuple(column.column for column in view.drift.drifted)


def _lost(judged: _Judged) -> list[float]:
    """Return for each column how much of the area is lost when its values are shuffled."""
    whole, order = judged.area(judged.X), np.random.default_rng(0).permutation(len(judged.X))
    lost = []
    for column in range(judged.X.shape[1]):
        shuffled = judged.X.copy()
        shuffled[:, column] = judged.X[order, column]
        lost.append(whole - judged.area(shuffled))
    return lost


def _told(apart: _Apart, usual: _Apart | None, p_value: float, names: tuple[str, ...], view: View) -> str:
    chance = f"(0.50 is chance, p = {p_value:.2g})"
    text = f"a classifier tells new rows from past ones with an AUC of {apart.area:.2f} {chance}"
    if usual:
        text += f", and the latest past ones from those before with one of {usual.area:.2f}"
    if not names:
        return text
    alone = {column.column for column in view.drift.drifted}
    together = "" if alone & set(names) else "; by themselves these did not move: it is how they go together"
    return f"{text}; what tells is most of all {listed(names)}{together}"
