"""What a search is given, made ready for its workers: checked, cast, sampled and cut into folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from everfit.errors import DataError
from everfit.features import Plan, conformer
from everfit.search.estimators import Family, Job
from everfit.search.folds import Effort, Fold, folds_of, sampled
from everfit.search.predicted import Metric
from everfit.search.tasks import Problem


@dataclass(frozen=True)
class Given:
    """The rows of a search and what is known about each; all of one length."""

    frame: pd.DataFrame
    y: Any
    time: np.ndarray | None = None
    group: np.ndarray | None = None
    weight: np.ndarray | None = None

    def answered(self) -> Given:
        """Return the rows whose answer is known."""
        known = np.asarray(pd.notna(self.y))
        if known.all():
            return self
        rows = np.flatnonzero(known)
        parts = (None if part is None else np.asarray(part)[rows] for part in (self.time, self.group, self.weight))
        return Given(self.frame.iloc[rows], pd.Series(self.y).iloc[rows], *parts)


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
    budget: float, seed: int,
) -> Problem:  # fmt: skip
    """Build the problem; raise DataError when there is no column to learn from or no way to judge."""
    if not plan.used:
        raise DataError(
            "No column is left to learn from.",
            details=[f"{column.name}: {column.reason}" for column in plan.columns],
            do="Give columns that say something about the target, or force a role with data.roles.",
        )
    y = answers(given.y, task)
    classes = len(np.unique(y)) if task != "regression" else 1
    effort = Effort.of(len(y), len(plan.used), classes, budget)
    frame = conformer(plan).transform(given.frame).reset_index(drop=True)
    job = Job(task, metric.name, effort.rows, len(plan.used), classes, len(plan.of("categorical")), seed)
    weight = None if given.weight is None else np.asarray(given.weight, dtype="float64")
    folds = _folds(given, y, effort, classifies=job.classifies, seed=seed)
    return Problem(plan, frame, y, weight, folds, job, metric, positive, tuple(families))


def _folds(given: Given, y: np.ndarray, effort: Effort, *, classifies: bool, seed: int) -> list[Fold]:
    pick = sampled(len(y), effort.rows, ordered=given.time is not None, seed=seed)
    time, group = (None if part is None else np.asarray(part)[pick] for part in (given.time, given.group))
    labels = y[pick] if classifies else None
    made = folds_of(len(pick), labels, effort.folds, time=_as_number(time), group=group, seed=seed)
    return [Fold(pick[fold.train], pick[fold.valid]) for fold in made]


def _as_number(time: np.ndarray | None) -> np.ndarray | None:
    if time is None or time.dtype.kind in "iuf":
        return None if time is None else time.astype("float64")
    stamps = pd.to_datetime(pd.Series(time)).to_numpy("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64"))


def how_judged(problem: Problem, given: Given) -> str:
    """Say in words which rows score a trial."""
    count = len(problem.folds)
    rows = len(problem.folds[0].train) + len(problem.folds[0].valid)
    kind = "rows fall at random" if given.group is None else "groups stay whole"
    kind = kind if given.time is None else "later rows judge earlier ones"
    whole = problem.job.rows == len(problem.y)
    part = "" if whole else f", on a sample of {problem.job.rows:,} of {len(problem.y):,} rows"
    return f"{count} fold(s) of about {rows:,} rows{part}; {kind}"
