"""What a search is given, made ready for its workers: checked, cast, sampled and cut into folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from everfit.errors import DataError
from everfit.features import Plan, conformer
from everfit.search import decision
from everfit.search.estimators import Family, Job
from everfit.search.folds import Effort, folds_of, sampled
from everfit.search.predicted import Metric
from everfit.search.tasks import Problem, Whole

MOST_OF_THEM = 0.7  # of the rows, which each fold has to learn from for the mean of their models to be the final one
FEW = 20
WINDOWS = 5  # of time at most, each judging what came before it


@dataclass(frozen=True)
class Given:
    """The rows of a search and what is known about each, all of one length; `gap` is in the unit of `time`."""

    frame: pd.DataFrame
    y: Any
    time: np.ndarray | None = None
    group: np.ndarray | None = None
    weight: np.ndarray | None = None
    gap: float = 0.0

    def answered(self) -> Given:
        """Return the rows whose answer is known, and which count: a weight of zero is no row."""
        known = np.asarray(pd.notna(self.y)) & (True if self.weight is None else np.asarray(self.weight) > 0)
        return self if known.all() else self.take(np.flatnonzero(known))

    def take(self, rows: np.ndarray) -> Given:
        """Return some rows, by position."""
        kept = (None if part is None else np.asarray(part)[rows] for part in (self.time, self.group, self.weight))
        time, group, weight = kept
        return Given(self.frame.iloc[rows], pd.Series(self.y).iloc[rows], time, group, weight, self.gap)


def answers(y: Any, task: str) -> np.ndarray:
    """Return float64 for a regression, else labels of one plain type."""
    values = np.asarray(y)
    if task == "regression":
        return values.astype("float64")
    if values.dtype != object:
        return values
    kinds = {type(value) for value in values.tolist()}
    return np.array(values.tolist()) if kinds <= {bool} or kinds <= {int, float} else values.astype(str)


def prepare(
    given: Given, plan: Plan, task: str, metric: Metric, positive: Any, families: Sequence[Family], *,
    budget: float, seed: int, costs: Mapping[str, float] | None = None,
) -> tuple[Problem, pd.DataFrame]:  # fmt: skip
    """Return the problem and the conformed rows that trials read.

    Raise DataError when there is no column to learn from or no way to judge.
    """
    if not plan.used:
        raise DataError(
            "No column is left to learn from.",
            details=[f"{column.name}: {column.reason}" for column in plan.columns],
            do="Give columns that say something about the target, or force a role with data.roles.",
        )
    y = answers(given.y, task)
    classes = np.unique(y) if task != "regression" else None
    outputs = 1 if classes is None else len(classes)
    effort = Effort.of(len(given.frame), len(plan.used), outputs, budget)
    part = given.take(sampled(len(given.frame), effort.rows, ordered=given.time is not None, seed=seed))
    amounts = task == "regression" and bool(np.min(y) >= 0)
    job = Job(task, metric.name, effort.rows, len(plan.used), outputs, seed=seed, rounds=effort.rounds, amounts=amounts)
    sample, ordered = effort.rows < len(given.frame), given.time is not None
    whole = conformed(part, plan, task)
    folds = folds_of(
        effort.rows, whole.y if job.classifies else None, min(effort.folds, WINDOWS) if ordered else effort.parts,
        time=as_number(part.time), group=part.group, gap=part.gap, seed=seed,
    )  # fmt: skip
    first = tuple(range(len(folds) if ordered else min(effort.folds, len(folds))))
    factors = None if classes is None else decision.usual(metric, y, given.weight, classes)
    even = min(len(fold.train) for fold in folds) >= MOST_OF_THEM * effort.rows
    problem = Problem(plan, part.frame.iloc[:FEW].copy(), whole.y, whole.weight, folds, job, metric, positive,
                      tuple(families), classes, sampled=sample, bagged=not ordered and not sample and even,
                      first=first, factors=factors,
                      costs=decision.costs_of(costs, classes) if costs else None)  # fmt: skip
    return problem, whole.frame


def conformed(given: Given, plan: Plan, task: str) -> Whole:
    """Cast rows to what models read."""
    frame = conformer(plan).transform(given.frame).reset_index(drop=True)
    weight = None if given.weight is None else np.asarray(given.weight, dtype="float64")
    return Whole(frame, answers(given.y, task), weight)


def as_number(time: np.ndarray | None) -> np.ndarray | None:
    """Return times as numbers that can be compared; microseconds for timestamps, NaN for those unknown."""
    if time is None:
        return None
    if np.asarray(time).dtype.kind in "iuf":
        return np.asarray(time, dtype="float64")
    stamps = pd.to_datetime(pd.Series(time)).to_numpy("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64"))


def how_judged(problem: Problem, given: Given) -> str:
    """Say in words which rows score a trial."""
    count = len(problem.first)
    rows = len(problem.folds[0].train) + len(problem.folds[0].valid)
    kind = "rows fall at random" if given.group is None else "groups stay whole"
    kind = kind if given.time is None else "later rows judge earlier ones"
    whole = len(problem.y) == len(given.frame)
    part = "" if whole else f", on a sample of {len(problem.y):,} of {len(given.frame):,} rows"
    return f"{count} fold(s) of about {rows:,} rows{part}; {kind}"
