"""XGBoost: depth-wise boosting on histograms. The only door to XGBoost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everfit.models.named import Named
from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.boosting import Boosting, Clock, patience, rate

if TYPE_CHECKING:
    from optuna.trial import Trial


class XGBoost(Boosting):
    """Boosted trees of bounded depth, with sampled rows and columns."""

    name = "xgboost"

    def defaults(self, job: Job) -> Params:
        """Return moderate trees that each see a part of rows and columns."""
        return {
            "learning_rate": rate(job),
            "max_depth": 6 if job.rows < 20_000 else 8,
            "min_child_weight": 2.0,
            "subsample": 0.8,
            "colsample_bytree": 0.7,
            "reg_lambda": 1.0,
            "reg_alpha": 1e-3,
        }

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for rate, depth, sampling and penalties."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "max_depth": trial.suggest_int("max_depth", 3, 10),
            "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 50.0, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-2, 30.0, log=True),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-3, 10.0, log=True),
        }

    def build(self, params: Params, job: Job) -> Any:
        """Return XGBoost's own scikit-learn estimator, told which numbers are classes."""
        from xgboost import XGBClassifier, XGBRegressor

        own = {name: value for name, value in params.items() if name != "rounds"}
        common = own | {"n_estimators": params.get("rounds", job.rounds), "tree_method": "hist", "n_jobs": 1,
                        "random_state": job.seed, "verbosity": 0}  # fmt: skip
        if job.classifies:
            return Named(XGBClassifier(**common))
        loss = "reg:absoluteerror" if job.metric in ("mae", "mape") else "reg:squarederror"
        return XGBRegressor(objective=loss, **common)

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Fit; with validation rows, stop when many rounds brought nothing."""
        own = model.model if job.classifies else model
        y = model.learn(train.y) if job.classifies else train.y
        more: dict[str, Any] = {}
        if valid is not None:
            answers = model.numbers(valid.y) if job.classifies else valid.y
            own.set_params(early_stopping_rounds=patience(params))
            more |= {"eval_set": [(valid.X, answers)]}
            more |= {} if valid.weight is None else {"sample_weight_eval_set": [valid.weight]}
        if job.seconds < float("inf"):
            own.set_params(callbacks=[_clock(job.seconds)])
        own.fit(train.X, y, sample_weight=train.weight, verbose=False, **more)
        own.set_params(callbacks=None, early_stopping_rounds=None)  # they ended with the fit; a model is plain
        return {} if valid is None else {"rounds": int(own.get_booster().best_iteration) + 1}


def _clock(seconds: float) -> Any:
    from xgboost.callback import TrainingCallback

    class Ends(TrainingCallback):
        """Ends the fit when its time is over."""

        clock = Clock(seconds)

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """Return whether to stop."""
            return epoch > 0 and self.clock.over  # early stopping is to see one round

    return Ends()
