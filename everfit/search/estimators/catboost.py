"""CatBoost: symmetric trees that average categories over the target by themselves. The only door to CatBoost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from everfit.features import Style
from everfit.models.coded import Coded, coded
from everfit.models.named import Named
from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.boosting import Boosting, Clock, patience, rate

if TYPE_CHECKING:
    from optuna.trial import Trial

LOSSES = {"mae": "MAE", "mape": "MAE"}
FEW = 5000  # rows; with more, what is dear and changes little is left out
ONE = ("Borders:Prior=0.5",)  # a list could not be cloned
QUICKER = {"simple_ctr": ONE}


class CatBoost(Boosting):
    """Boosted symmetric trees, which rarely overfit; ordered averages of categories and of their pairs."""

    name = "catboost"
    style: ClassVar[Style] = "native"

    def defaults(self, job: Job) -> Params:
        """Return the vendor's own shape, and categories one by one: pairs cost five times as much."""
        return {
            "learning_rate": rate(job) if job.rows < FEW else min(0.15, 2 * rate(job)),
            "depth": 6,
            "l2_leaf_reg": 3.0,
            "random_strength": 1.0,
            "rsm": 1.0,
            "max_ctr_complexity": 1,
            "one_hot_max_size": 2 if job.rows < FEW else 20,
        }

    def portfolio(self, job: Job) -> list[Params]:
        """Return deeper trees of fewer columns, flatter ones, and pairs of categories."""
        start = self.defaults(job)
        deep = start | {"depth": 8, "rsm": 0.7, "l2_leaf_reg": 5.0}
        flat = start | {"depth": 4, "learning_rate": start["learning_rate"] * 1.3, "one_hot_max_size": 100}
        pairs = start | {"max_ctr_complexity": 2, "rsm": 0.5}
        order = [flat, pairs, deep] if job.rows < FEW else [deep, pairs, flat]
        return [each for each in order if job.categories > 1 or each is not pairs]

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for rate, depth, penalties, the share of columns, and how categories are read."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
            "depth": trial.suggest_int("depth", 3, 9),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1.0, 30.0, log=True),
            "random_strength": trial.suggest_float("random_strength", 0.2, 10.0, log=True),
            "rsm": trial.suggest_float("rsm", 0.4, 1.0),
            "max_ctr_complexity": trial.suggest_int("max_ctr_complexity", 1, 2),
            "one_hot_max_size": trial.suggest_categorical("one_hot_max_size", [2, 20, 100]),
        }

    def build(self, params: Params, job: Job) -> Any:
        """Return CatBoost's own estimator, told which columns are categories and which numbers are classes."""
        from catboost import CatBoostClassifier, CatBoostRegressor

        own = {name: value for name, value in params.items() if name != "rounds"}
        if job.rows >= FEW and job.categories:
            own |= {"combinations_ctr": ONE} if own.get("max_ctr_complexity") == 1 else {}  # or each fit warns of it
            own |= QUICKER | ({"leaf_estimation_iterations": 3} if job.classes == 2 and job.classifies else {})
        common = own | {
            "iterations": params.get("rounds", job.rounds), "cat_features": tuple(range(job.categories)) or None,
            "random_seed": job.seed, "thread_count": 1, "verbose": False, "allow_writing_files": False,
            "boosting_type": "Plain",
        }  # fmt: skip
        if job.classifies:
            loss = "Logloss" if job.classes <= 2 else "MultiClass"
            return Named(Coded(CatBoostClassifier(loss_function=loss, **common), job.categories))
        loss = LOSSES.get(job.metric, "RMSE")
        return Coded(CatBoostRegressor(loss_function=loss, **common), job.categories)

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Fit; with validation rows, stop when many rounds brought nothing, and keep the best of them."""
        from catboost import Pool

        inner = model.model if job.classifies else model
        y = model.learn(train.y) if job.classifies else train.y
        more: dict[str, Any] = {} if job.seconds == float("inf") else {"callbacks": [_Clock(job.seconds)]}
        if valid is not None:
            answers = model.numbers(valid.y) if job.classifies else valid.y
            judge = Pool(coded(valid.X, inner.count), answers, weight=valid.weight,
                         cat_features=list(range(inner.count)))  # fmt: skip
            more |= {"eval_set": judge, "early_stopping_rounds": patience(params)}
        if train.weight is not None and inner.model.get_params()["loss_function"] == "MAE":
            inner.model.set_params(leaf_estimation_method="Gradient")  # the exact median of a leaf forgets weights
        inner.model.fit(coded(train.X, inner.count), y, sample_weight=train.weight, **more)
        return {} if valid is None else {"rounds": max(1, int(inner.model.tree_count_))}


class _Clock(Clock):
    def after_iteration(self, _: Any) -> bool:
        """Return whether to go on."""
        return not self.over
