"""scikit-learn's network of dense layers, trained epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from everfit.features import Style
from everfit.models.named import Named
from everfit.models.scaled import Scaled
from everfit.search.estimators import epochs
from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.boosting import Clock
from everfit.search.estimators.epochs import Best, Trained

if TYPE_CHECKING:
    from optuna.trial import Trial

GLANCE = 10_000  # rows that are learnt from between two looks at the clock


class MLP(Trained):
    """Dense layers on scaled columns: smooth where trees are stepwise, and so a good member of a blend."""

    name = "mlp"
    style: ClassVar[Style] = "linear"
    reduces: ClassVar[bool] = True

    def defaults(self, job: Job) -> Params:
        """Return two layers of equal width."""
        return {
            "depth": 2,
            "width": 64 if job.rows < 2000 else 128,
            "taper": 1.0,
            "activation": "relu",
            "learning_rate": 1e-3,
            "alpha": 1.0 if job.rows < 10_000 else 0.1,
            "batch_size": epochs.batch_size(job),
        }

    def portfolio(self, job: Job) -> list[Params]:
        """Return a wide one that narrows, with less of a penalty."""
        return [self.defaults(job) | {"depth": 3, "width": 256, "taper": 0.5, "alpha": 0.1}]

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for depth and widths, activation, rate, penalty and batches."""
        return {
            "depth": trial.suggest_int("depth", 1, 4),
            "width": trial.suggest_int("width", 16, 512, log=True),
            "taper": trial.suggest_categorical("taper", [1.0, 0.5]),
            "activation": trial.suggest_categorical("activation", ["relu", "tanh"]),
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            "alpha": trial.suggest_float("alpha", 1e-4, 10.0, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128, 256, 512]),
        }

    def build(self, params: Params, job: Job) -> Any:
        """Return scikit-learn's own class, told which numbers are classes, or given numbers of a common size."""
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        own: Params = {
            "hidden_layer_sizes": epochs.widths(params), "activation": params["activation"], "alpha": params["alpha"],
            "learning_rate_init": params["learning_rate"], "batch_size": min(params["batch_size"], job.rows),
            "max_iter": epochs.most(params, judged=False), "random_state": job.seed, "shuffle": False,
        }  # fmt: skip
        return Named(MLPClassifier(**own)) if job.classifies else Scaled(MLPRegressor(**own))

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Train epoch by epoch; with validation rows, stop when many brought nothing, and keep the best weights."""
        y = model.learn(train.y) if job.classifies else model.learn(train.y, train.weight)
        rows = Rows(train.X, y, train.weight)
        judge = None if valid is None else Rows(valid.X, model.numbers(valid.y), valid.weight)
        best = Best(epochs.patience(len(rows.y), params["batch_size"]))
        clock, chance = Clock(job.seconds), np.random.default_rng(job.seed)
        while best.seen < epochs.most(params, judged=judge is not None) and not best.over:
            _epoch(model.model, rows.take(chance.permutation(len(rows.y))), params["batch_size"], clock)
            best.see(_loss(model.model, judge, job), lambda: _weights(model.model))
            if clock.over:
                break
        model.model.coefs_, model.model.intercepts_ = best.state
        del model.model._optimizer  # it is larger than the model, and its work is done
        return {} if valid is None else {"epochs": best.epoch}


def _epoch(model: Any, rows: Rows, batch: int, clock: Clock) -> None:
    """Learn from all rows once, in parts between which the clock can end it."""
    classes = {"classes": np.unique(rows.y)} if hasattr(model, "predict_proba") else {}
    for part in np.array_split(np.arange(len(rows.y)), epochs.batches(len(rows.y), GLANCE)):
        some = rows.take(part)
        model.set_params(batch_size=min(batch, len(part)))
        model.partial_fit(some.X, some.y, sample_weight=some.weight, **classes)
        if clock.over:
            return


def _loss(model: Any, judge: Rows | None, job: Job) -> float | None:
    if judge is None:
        return None
    said = model.predict_proba(judge.X) if job.classifies else model.predict(judge.X)
    return epochs.loss(said, judge.y, job, judge.weight)


def _weights(model: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [each.copy() for each in model.coefs_], [each.copy() for each in model.intercepts_]
