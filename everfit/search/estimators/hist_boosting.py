"""scikit-learn's histogram boosting, with early stopping on the validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.boosting import Boosting

if TYPE_CHECKING:
    from optuna.trial import Trial

PATIENCE = 20
MOST_ROUNDS = 600  # each costs more than LightGBM's


class HistBoosting(Boosting):
    """Boosted trees on binned features; needs nothing beyond scikit-learn."""

    name = "hist_boosting"

    def defaults(self, job: Job) -> Params:
        """Return scikit-learn's own shape at a slightly lower rate."""
        params = {
            "learning_rate": 0.08 if job.classes <= 5 else 0.12,
            "max_leaf_nodes": 31,
            "min_samples_leaf": 20 if job.rows > 2000 else 10,
            "l2_regularization": 1e-3,
            "max_features": 1.0,
        }
        return params | ({"loss": "absolute_error"} if job.metric in ("mae", "mape") else {})

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for shape, rate, feature sampling and penalty."""
        params: Params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 7, 127, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 100, log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-4, 10.0, log=True),
            "max_features": trial.suggest_float("max_features", 0.3, 1.0),
        }
        if job.metric in ("mae", "mape"):
            params["loss"] = trial.suggest_categorical("loss", ["absolute_error", "squared_error"])
        return params

    def build(self, params: Params, job: Job) -> Any:
        """Return the classifier or the regressor, for a fixed number of rounds when it is known."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        own = {name: value for name, value in params.items() if name != "rounds"}
        kind = HistGradientBoostingClassifier if job.classifies else HistGradientBoostingRegressor
        return kind(
            max_iter=params.get("rounds", min(job.rounds, MOST_ROUNDS)),
            early_stopping=False,
            random_state=job.seed,
            **own,
        )

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Fit; with validation rows, stop when twenty rounds brought nothing."""
        if valid is None:
            return super().fit(model, params, train, job)
        model.set_params(early_stopping=True, n_iter_no_change=PATIENCE)
        model.fit(train.X, train.y, sample_weight=train.weight, X_val=valid.X, y_val=valid.y,
                  sample_weight_val=valid.weight)  # fmt: skip
        return {"rounds": max(1, int(np.argmax(model.validation_score_)))}
