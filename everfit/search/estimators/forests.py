"""What random forests and extra trees share."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from everfit.models.doubting import Doubting
from everfit.search.estimators.base import Family, Job, Params, Rows
from everfit.search.estimators.boosting import Clock

if TYPE_CHECKING:
    from optuna.trial import Trial

TREES, FEWEST_TREES = 200, 50
LEAVES = 2_000_000  # of all trees together, which bounds memory and size
MANY = 10_000
STEP = 10  # trees that grow between two looks at the clock
ROWS_A_TREE = 100_000  # more rows in each tree cost much, in size as well, and change little


class Forest(Family):
    """Averaged deep trees, each of at most 100,000 sampled rows; as many trees as there is time for."""

    style = "tree"
    always_samples: ClassVar[bool]

    @abstractmethod
    def kind(self, job: Job) -> Any:
        """Return scikit-learn's class for the task."""

    def defaults(self, job: Job) -> Params:
        """Return the usual share of features, and trees that grow to the last row, or the last but one of many."""
        deep = job.classifies or job.rows < MANY
        return {"max_features": 0.3 if job.classifies else 0.5, "min_samples_leaf": 1 if deep else 2}

    def portfolio(self, job: Job) -> list[Params]:
        """Return smoother trees of more features."""
        return [{"max_features": 0.6 if job.classifies else 0.9, "min_samples_leaf": 4}]

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for the share of features and the size of leaves."""
        return {
            "max_features": trial.suggest_float("max_features", 0.1, 1.0, step=0.1),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 30, log=True),
        }

    def build(self, params: Params, job: Job) -> Any:
        """Return an unfitted forest."""
        many = job.rows > ROWS_A_TREE
        forest = self.kind(job)(
            n_estimators=params.get("trees", min(TREES, max(FEWEST_TREES, LEAVES // max(1, job.rows)))),
            bootstrap=many or self.always_samples,
            max_samples=ROWS_A_TREE if many else None,
            n_jobs=1,
            random_state=job.seed,
            **{name: value for name, value in params.items() if name != "trees"},
        )
        return Doubting(forest) if job.classifies else forest

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Grow trees until all are there or the time is over; return how many that were."""
        forest = model.model if job.classifies else model
        clock, wanted = Clock(job.seconds), forest.n_estimators
        forest.set_params(warm_start=True, n_estimators=0)
        while forest.n_estimators < wanted and not (clock.over and forest.n_estimators):
            forest.set_params(n_estimators=min(forest.n_estimators + STEP, wanted))
            model.fit(train.X, train.y, sample_weight=train.weight)
        forest.set_params(warm_start=False)
        return {} if valid is None else {"trees": forest.n_estimators}
