"""Neural networks whose architecture is searched for: trained with torch, kept as arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from everfit.features import Style
from everfit.models.named import Named
from everfit.models.network import Network as Arrays
from everfit.models.scaled import Scaled
from everfit.search.estimators import epochs
from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.epochs import Trained

if TYPE_CHECKING:
    from optuna.trial import Trial

MANY = 60  # columns; with more of them embedded numbers cost too much to start with


class Network(Trained):
    """Learnt embeddings of categories and numbers, then dense layers. A member only where torch can be imported."""

    name = "network"
    style: ClassVar[Style] = "network"

    def defaults(self, job: Job) -> Params:
        """Return three layers with skips on piecewise-linear numbers, at a high rate, as the mean of epochs is kept."""
        return {
            "depth": 3,
            "width": 128,
            "taper": 1.0,
            "activation": "relu",
            "skip": True,
            "norm": "batch",
            "dropout": 0.2,
            "numbers": "piecewise" if job.columns <= MANY else "none",
            "pieces": 16,
            "size": 8,
            "sigma": 0.1,
            "levels": 8,
            "learning_rate": 4e-3,
            "weight_decay": 1e-2,
            "batch_size": epochs.batch_size(job),
        }

    def portfolio(self, job: Job) -> list[Params]:
        """Return a deep one on periodic numbers, normalised by row, and a plain one of two layers."""
        start = self.defaults(job)
        deep = start | {"depth": 4, "norm": "layer", "activation": "silu", "numbers": "periodic", "learning_rate": 2e-3}
        plain = start | {"depth": 2, "skip": False, "norm": "none", "dropout": 0.1, "learning_rate": 3e-3}
        return [deep, plain] if job.columns <= MANY else [plain]

    def space(self, trial: Trial, job: Job) -> Params:
        """Ask for the architecture, the embeddings, and how it is trained."""
        architecture = {
            "depth": trial.suggest_int("depth", 1, 5),
            "width": trial.suggest_int("width", 32, 384, log=True),
            "taper": trial.suggest_categorical("taper", [1.0, 0.5]),
            "activation": trial.suggest_categorical("activation", ["relu", "silu", "gelu"]),
            "skip": trial.suggest_categorical("skip", [False, True]),
            "norm": trial.suggest_categorical("norm", ["none", "layer", "batch"]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        }
        embeddings = {
            "numbers": trial.suggest_categorical("numbers", ["none", "piecewise", "periodic"]),
            "pieces": trial.suggest_int("pieces", 4, 32, log=True),
            "size": trial.suggest_int("size", 4, 24, log=True),
            "sigma": trial.suggest_float("sigma", 0.02, 2.0, log=True),
            "levels": trial.suggest_int("levels", 2, 32, log=True),
        }
        training = {
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 2e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1.0, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128, 256, 512]),
        }
        return architecture | embeddings | training

    def build(self, params: Params, job: Job) -> Any:
        """Return our own class for what is trained, told the classes, or given numbers of a common size."""
        made = Arrays(params["activation"])
        return Named(made) if job.classifies else Scaled(made)

    def fit(self, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
        """Train with torch; with validation rows, stop when many epochs brought nothing, and keep the best weights."""
        from everfit.search.estimators import training

        y = model.learn(train.y) if job.classifies else model.learn(train.y, train.weight)
        judge = None if valid is None else Rows(valid.X, model.numbers(valid.y), valid.weight)
        if job.classifies:
            job = replace(job, classes=len(model.classes_))  # these rows may lack one
        arrays, epoch = training.train(params, Rows(train.X, y, train.weight), job, judge)
        model.model.load(*arrays)
        return {} if valid is None else {"epochs": epoch}
