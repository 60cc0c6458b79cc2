"""What a family of estimators is to the search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from everfit.features import Style

if TYPE_CHECKING:
    from optuna.trial import Trial

Params = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What a family may know before it sees the data. Matrices have `categories` columns of codes at their left."""

    task: str
    metric: str
    rows: int
    columns: int
    classes: int = 2
    categories: int = 0
    seed: int = 0
    rounds: int = 1500  # more rounds of boosting would take longer than the budget has for one fit
    amounts: bool = False  # the answers are numbers of which none is negative
    seconds: float = float("inf")  # when a fit that can stop early has to end, with what it has

    @property
    def classifies(self) -> bool:
        """Whether labels are predicted, with probabilities."""
        return self.task != "regression"


@dataclass(frozen=True)
class Rows:
    """A dense matrix with its answers and weights."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Rows:
        """Return some rows, by position or mask."""
        return Rows(self.X[rows], self.y[rows], None if self.weight is None else self.weight[rows])


class Family(ABC):
    """One kind of estimator: how it is built, what may be tuned, and where the tuning starts.

    - `style` says which features it reads: `tree` (codes, gaps as NaN), `native` (all categories as codes), `linear`
      (scaled, filled, one-hot) or `network` (all categories as codes, numbers scaled and filled).
    - `bags` says that the mean of models that each left one fold out is as good as one model of all rows.
    - `scales` says that a regressor may gain from learning the root or the logarithm of amounts.
    - `reduces` says that it may gain from reading the principal components of many columns.
    - `defaults(job)` are good values for every parameter of `space`; they are always tried first.
    - `portfolio(job)` are more such values, each good on some kind of data, tried before anything is searched.
    - `space(trial, job)` asks an Optuna trial for each parameter, by names that need no prefix, and returns them.
    - `build(params, job)` makes an unfitted estimator of scikit-learn's or the vendor's own class, or such a one
      within a class of `everfit.models`. One thread, `job.seed` wherever there is chance, silent.
    - `fit(model, params, train, job, valid)` fits in place. With `valid` it may stop early, and returns the parameters
      that it learnt by that (such as the number of rounds), which replace the given ones in the final fit.

    A member holds no state. Its test is `tests/everfit/search/test_estimators.py`, which every member passes.
    """

    name: ClassVar[str]
    style: ClassVar[Style]
    bags: ClassVar[bool] = False
    scales: ClassVar[bool] = False
    reduces: ClassVar[bool] = False

    @abstractmethod
    def defaults(self, job: Job) -> Params:
        """Return the parameters to start from."""

    def portfolio(self, job: Job) -> list[Params]:
        """Return what to try after the defaults, the most promising first."""
        return []

    def grown(self, learnt: Params, times: float) -> Params:
        """Return what early stopping learnt, adjusted to so many times the rows that it learnt it from."""
        return learnt

    def quick(self, job: Job) -> Params:
        """Return parameters for a fit that must not take long, without early stopping."""
        return self.defaults(job)

    @abstractmethod
    def space(self, trial: Trial, job: Job) -> Params:
        """Ask the trial for every parameter."""

    @abstractmethod
    def build(self, params: Params, job: Job) -> Any:
        """Return an unfitted estimator."""

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Fit in place; return what early stopping learnt."""
        model.fit(train.X, train.y, sample_weight=train.weight)
        return {}
