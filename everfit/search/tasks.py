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


RANKINGS = ("roc_auc", "average_precision")  # metrics that ask for the order of rows alone
MEMBERS = 5  # so many a blend has at most, and so many the end of the budget leaves time to fit
SCOUT = -3  # the number of the first fit, of few rows, which is no trial


@dataclass(frozen=True)
class Problem:
    """Everything that workers read once: answers, folds, and how to judge. The rows lie in a file of their own.

    They are the sample that trials read, which is all rows when they are few.
    """

    plan: Plan
    few: pd.DataFrame  # some rows as they came, on which times are measured
    y: np.ndarray  # labels as they are, or numbers
    weight: np.ndarray | None
    folds: list[Fold]  # positions in the rows
    job: Job
    metric: Metric
    positive: Any
    families: tuple[Family, ...]
    classes: np.ndarray | None = None  # every label in order, also those that no row here has; None for a regression
    sampled: bool = False  # there are more rows than these
    bagged: bool = False  # the mean of the folds' models is as good as one of all rows, as their order means nothing
    factors: np.ndarray | None = None  # by which trials say labels, where the metric reads them
    costs: np.ndarray | None = None  # of missing each class
    first: tuple[int, ...] = ()  # the folds that every trial does; winners do the others as well

    def refits(self, family: str) -> bool:
        """Whether a family's models are fitted on all rows in the end: those of the folds are not as good."""
        return not (self.bagged and self.family(family).bags)

    @property
    def tempers(self) -> bool:
        """Whether a model is judged by how it would answer were it as sure as it should be."""
        return self.classes is not None and self.metric.probabilities and self.metric.name not in RANKINGS

    def family(self, name: str) -> Family:
        """Return one of the families by its name."""
        return next(each for each in self.families if each.name == name)


@dataclass(frozen=True)
class Limits:
    """What the final model may cost: milliseconds for one row, and megabytes."""

    ms: float = float("inf")
    mb: float = float("inf")
    said: bool = True  # otherwise nobody has to know that one row takes longer than we would like


@dataclass(frozen=True)
class Whole:
    """All rows, conformed, for the final fit."""

    frame: pd.DataFrame
    y: np.ndarray
    weight: np.ndarray | None


@dataclass(frozen=True)
class Task:
    """One piece of work: `score` parameters on some folds, `fit` them on all rows, be `quick`, on few of them, or
    `weigh` the columns that the parameters name.

    With `rows`, only so many rows are learnt from; those that score stay the same. A fit that can stop early ends
    after `seconds` with what it has.
    """

    number: int
    kind: Literal["score", "fit", "quick", "weigh"]
    family: str
    params: Params
    folds: tuple[int, ...] = ()
    bar: tuple[float, ...] = ()  # the best trial's score of each fold, to give up early against
    rows: int = 0
    seconds: float = float("inf")


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    `params` do not include what early stopping learnt. The models of a score lie on the shelf, one for each of its
    `folds`; `model` is the file of one that was fitted on all rows, or of a quick one's pipeline.
    """

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
    encode_ms: float = 0.0  # of one row
    model_ms: float = 0.0  # of one row, for one model
    model_mb: float = 0.0  # of one model
    seconds: float = 0.0
    model: str = ""
    folds: tuple[int, ...] = ()
    bag: int | None = None  # so many of their models answer, where not all do
    scale: float = 1.0  # of its logarithms of probabilities, beside others
    rows: int = 1  # that a fold learns from, on average
    learnt: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)  # of the final model: how it is calibrated and says labels
    ended: float = 0.0  # seconds from the start of the search until it came in

    @property
    def predict_ms(self) -> float | None:
        """How long one row takes, from raw columns to the answer of one model."""
        return self.encode_ms + self.model_ms or None

    @property
    def size_mb(self) -> float | None:
        """How large one model is."""
        return self.model_mb or None
