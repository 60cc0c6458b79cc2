"""LightGBM: leaf-wise boosting with early stopping. The only door to LightGBM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.boosting import Boosting

if TYPE_CHECKING:
    from optuna.trial import Trial

PATIENCE = 40
NOT_ITS_OWN = ("native_categories", "rounds")  # ours, not LightGBM's


class LightGBM(Boosting):
    """Boosted trees. Categories are read as such or as ordered codes; extra-random splits can be asked for."""

    name = "lightgbm"

    def defaults(self, job: Job) -> Params:
        """Return a moderate rate, and smaller leaves for few rows."""
        params = {
            "learning_rate": 0.06 if job.classes <= 5 else 0.1,
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
        """Fit; with validation rows, stop when forty rounds brought nothing."""
        from lightgbm import early_stopping

        more: dict[str, Any] = {}
        if params["native_categories"] and job.categories:
            more["categorical_feature"] = list(range(job.categories))
        if valid is not None:
            y = (
                np.searchsorted(np.unique(train.y), valid.y) if job.classifies else valid.y
            )  # LightGBM forgets to encode it
            more |= {"eval_X": (valid.X,), "eval_y": (y,), "callbacks": [early_stopping(PATIENCE, verbose=False)]}
            more |= {} if valid.weight is None else {"eval_sample_weight": [valid.weight]}
        model.fit(train.X, train.y, sample_weight=train.weight, **more)
        return {} if valid is None else {"rounds": int(model.best_iteration_ or model.n_estimators)}
