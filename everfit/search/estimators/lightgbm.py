"""LightGBM: leaf-wise boosting with early stopping. The only door to LightGBM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.boosting import Boosting, Clock, patience, rate

if TYPE_CHECKING:
    from optuna.trial import Trial

NOT_ITS_OWN = ("native_categories", "rounds")  # ours, not LightGBM's


class LightGBM(Boosting):
    """Boosted trees. Categories are read as such or as ordered codes; extra-random splits can be asked for."""

    name = "lightgbm"

    def defaults(self, job: Job) -> Params:
        """Return a moderate rate, and smaller leaves for few rows."""
        params = {
            "learning_rate": rate(job),
            "num_leaves": 31,
            "min_child_samples": 20 if job.rows > 2000 else 10,
            "colsample_bytree": 0.9,
            "subsample": 1.0,
            "reg_lambda": 1.0,
            "reg_alpha": 1e-3,
            "extra_trees": False,
            "native_categories": False,
        }
        return params | ({"objective": "l1"} if job.metric in ("mae", "mape") else {})

    def portfolio(self, job: Job) -> list[Params]:
        """Return extra-random splits, large and slow trees, nearly interpolating ones, small ones of few columns."""
        start = self.defaults(job)
        random = start | {"extra_trees": True}
        large = start | {"num_leaves": 127, "min_child_samples": 5, "learning_rate": start["learning_rate"] / 2}
        huge = start | {"num_leaves": 255, "min_child_samples": 2, "colsample_bytree": 0.7, "reg_lambda": 3.0}
        small = start | {"num_leaves": 12, "colsample_bytree": 0.5, "min_child_samples": 30, "subsample": 0.8}
        return [random, small, large] if job.rows < 5000 else [random, large, huge, small]

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for shape, rate, sampling and penalties."""
        params: Params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 7, 255, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 10.0, log=True),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-3, 10.0, log=True),
            "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
            "native_categories": trial.suggest_categorical("native_categories", [False, True]),
        }
        if job.metric in ("mae", "mape"):
            params["objective"] = trial.suggest_categorical("objective", ["l1", "l2"])
        return params

    def build(self, params: Params, job: Job) -> Any:
        """Return LightGBM's own scikit-learn estimator."""
        from lightgbm import LGBMClassifier, LGBMRegressor

        own = {name: value for name, value in params.items() if name not in NOT_ITS_OWN}
        kind = LGBMClassifier if job.classifies else LGBMRegressor
        return kind(n_estimators=params.get("rounds", job.rounds), subsample_freq=1, random_state=job.seed, n_jobs=1,
                    verbosity=-1, deterministic=True, force_col_wise=True, **own)  # fmt: skip

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Fit; with validation rows, stop when many rounds brought nothing."""
        from lightgbm import early_stopping

        more: dict[str, Any] = {"callbacks": [_clock(job.seconds)] if job.seconds < float("inf") else []}
        if params["native_categories"] and job.categories:
            more["categorical_feature"] = list(range(job.categories))
        if valid is not None:
            y = (
                np.searchsorted(np.unique(train.y), valid.y) if job.classifies else valid.y
            )  # LightGBM forgets to encode it
            more["callbacks"].append(early_stopping(patience(params), verbose=False))
            more |= {"eval_X": (valid.X,), "eval_y": (y,)}
            more |= {} if valid.weight is None else {"eval_sample_weight": [valid.weight]}
        model.fit(train.X, train.y, sample_weight=train.weight, **more)
        return {} if valid is None else {"rounds": int(model.best_iteration_ or model.n_estimators)}


def _clock(seconds: float) -> Callable[[Any], None]:
    from lightgbm.callback import EarlyStopException

    clock, best = Clock(seconds), _Best()

    def end(env: Any) -> None:
        best.see(env.iteration, env.evaluation_result_list or [])
        if clock.over:
            raise EarlyStopException(best.round, env.evaluation_result_list or [])

    end.order = 40  # type: ignore[attr-defined]  # after early stopping
    return end


class _Best:
    """The best round so far; the last one where nothing is judged."""

    def __init__(self) -> None:
        self.round, self.gain = 0, -np.inf

    def see(self, now: int, results: list[Any]) -> None:
        """Take note of a round's first result, which is (data, metric, value, whether more is better)."""
        gain = np.inf if not results else results[0][2] if results[0][3] else -results[0][2]
        if gain > self.gain or not results:
            self.round, self.gain = now, gain
