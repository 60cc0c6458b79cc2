"""The constant guess: what every model has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everfit.search.estimators.base import Family, Job, Params

if TYPE_CHECKING:
    from optuna.trial import Trial


class Dummy(Family):
    """The share of each class, or the number that the metric likes best when nothing is known."""

    name = "dummy"
    style = "tree"

    def defaults(self, job: Job) -> Params:
        """Return nothing: there is nothing to choose."""
        return {}

    def space(self, trial: Trial, job: Job) -> Params:
        """Return nothing: there is nothing to choose."""
        return {}

    def build(self, params: Params, job: Job) -> Any:
        """Return scikit-learn's dummy."""
        from sklearn.dummy import DummyClassifier, DummyRegressor

        if job.classifies:
            return DummyClassifier(strategy="prior")
        return DummyRegressor(strategy="median" if job.metric in ("mae", "mape") else "mean")
