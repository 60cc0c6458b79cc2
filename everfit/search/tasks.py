"""What the search and its workers say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from everfit.search.estimators.base import Family, Job, Params
from everfit.search.folds import Fold
from everfit.search.predicted import Metric
from everfit.search.records import Status

if TYPE_CHECKING:
    import pandas as pd

    from everfit.features import Plan


@dataclass(frozen=True)
class Problem:
    """Everything that workers read once: conformed rows, answers, folds, and how to judge."""

    plan: Plan
    frame: pd.DataFrame  # the sample that trials read, which is all rows when they are few
    y: np.ndarray  # labels as they are, or numbers
    weight: np.ndarray | None
    folds: list[Fold]  # positions in the frame
    job: Job
    metric: Metric
    positive: Any
    families: tuple[Family, ...]

    def family(self, name: str) -> Family:
        """Return one of the families by its name."""
        return next(each for each in self.families if each.name == name)


@dataclass(frozen=True)
class Whole:
    """All rows, conformed, for the final fit."""

    frame: pd.DataFrame
    y: np.ndarray
    weight: np.ndarray | None


@dataclass(frozen=True)
class Task:
    """One piece of work: score parameters on the folds (`score`), or fit them on all rows (`fit`).

    With `rows`, only so many rows are learnt from; those that score stay the same.
    """

    number: int
    kind: Literal["score", "fit"]
    family: str
    params: Params
    bar: tuple[float, ...] = ()  # the best trial's score of each fold, to give up early against
    rows: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a task. `params` include what early stopping learnt; `model` is a file with a fitted pipeline."""

    number: int
    family: str
    params: Params
    status: Status
    reason: str = ""
    scores: tuple[float, ...] = ()
    score: float | None = None
    low: float | None = None
    high: float | None = None
    fit_seconds: float | None = None  # of one fold, or of the final fit with its features
    encode_seconds: float = 0.0
    predict_ms: float | None = None
    seconds: float = 0.0
    model: str = ""
    learnt: dict[str, Any] = field(default_factory=dict)
