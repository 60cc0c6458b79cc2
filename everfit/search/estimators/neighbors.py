"""Nearest neighbours: what happened in the most similar rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from everfit.models.weighed import Weighed
from everfit.search.estimators.base import Family, Job, Params, Rows

if TYPE_CHECKING:
    from optuna.trial import Trial

KEPT = 20_000  # rows; the model is these rows, and one row is compared with all of them
CELLS = 4_000_000  # so many take less than 3 ms; of very many columns fewer rows are kept


class Neighbors(Family):
    """The mean of the most similar rows, of at most 20,000 that are evenly spaced.

    A class that none of the rows kept has is not known to the model.
    """

    name = "neighbors"
    style = "linear"
    reduces = True

    def defaults(self, job: Job) -> Params:
        """Return some twenty neighbours, the nearer ones counting more."""
        return {"n_neighbors": 20, "weights": "distance", "p": 1}

    def portfolio(self, job: Job) -> list[Params]:
        """Return straight distances to fewer rows."""
        return [{"n_neighbors": 8, "weights": "distance", "p": 2}]

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for the number of neighbours, what each counts, and how distances of columns add up."""
        return {
            "n_neighbors": trial.suggest_int("n_neighbors", 1, 100, log=True),
            "weights": trial.suggest_categorical("weights", ["distance", "uniform"]),
            "p": trial.suggest_categorical("p", [1, 2]),
        }

    def build(self, params: Params, job: Job) -> Any:
        """Return what compares with every row, as trees of many columns save nothing, and counts rows by weight."""
        from sklearn.neighbors import KNeighborsRegressor

        return Weighed(KNeighborsRegressor(algorithm="brute", n_jobs=1, **params), job.classifies)

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Keep the rows."""
        most, count = min(KEPT, CELLS // max(1, train.X.shape[1])), len(train.y)
        kept = train.take(np.linspace(0, count - 1, most).astype(int)) if count > most else train
        model.set_params(model__n_neighbors=min(params["n_neighbors"], len(kept.y)))
        model.fit(kept.X, kept.y, sample_weight=kept.weight)
        return {}
