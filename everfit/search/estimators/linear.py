"""Logistic and ridge regression on scaled, filled and one-hot features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everfit.search.estimators.base import Family, Job, Params

if TYPE_CHECKING:
    from optuna.trial import Trial


class Linear(Family):
    """One weight per feature: fast, small, and hard to beat where the world is additive or rows are few."""

    name = "linear"
    style = "linear"
    bags = True
    reduces = True

    def defaults(self, job: Job) -> Params:
        """Return a mild penalty."""
        return {"penalty": 1.0}

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for the strength of the penalty."""
        return {"penalty": trial.suggest_float("penalty", 1e-3, 1e3, log=True)}

    def build(self, params: Params, job: Job) -> Any:
        """Return a logistic or a ridge regression."""
        from sklearn.linear_model import LogisticRegression, Ridge

        if job.classifies:
            return LogisticRegression(C=1 / params["penalty"], max_iter=200, random_state=job.seed)
        return Ridge(alpha=params["penalty"], random_state=job.seed)
