"""What random forests and extra trees share."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from everfit.search.estimators.base import Family, Job, Params

if TYPE_CHECKING:
    from optuna.trial import Trial

TREES = 100
ROWS_A_TREE = 20_000  # more rows in each tree cost much and change little


class Forest(Family):
    """Averaged deep trees, each of at most 20,000 sampled rows, so that their cost is bounded."""

    style = "tree"
    always_samples: ClassVar[bool]

    @abstractmethod
    def kind(self, job: Job) -> Any:
        """Return scikit-learn's class for the task."""

    def defaults(self, job: Job) -> Params:
        """Return the usual share of features, and leaves of two."""
        return {"max_features": 0.3 if job.classifies else 0.5, "min_samples_leaf": 2}

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for the share of features and the size of leaves."""
        return {
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 30, log=True),
        }

    def build(self, params: Params, job: Job) -> Any:
        """Return a forest of a hundred trees."""
        many = job.rows > ROWS_A_TREE
        return self.kind(job)(
            n_estimators=TREES,
            bootstrap=many or self.always_samples,
            max_samples=ROWS_A_TREE if many else None,
            n_jobs=1,
            random_state=job.seed,
            **params,
        )
