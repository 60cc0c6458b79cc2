"""What networks share: how long they are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from everfit.search.estimators.base import Family, Job, Params

MOST = 300  # epochs of a fit that early stopping may end
UNSEEN = 30  # epochs of a fit that nothing was learnt for
QUICK = 10
PATIENCE = 12  # epochs without progress, and so many steps at least
STEPS = 150


class Trained(Family):
    """A network, whose number of `epochs` is learnt by early stopping."""

    bags: ClassVar[bool] = True

    def quick(self, job: Job) -> Params:
        """Return the defaults for ten epochs."""
        return self.defaults(job) | {"epochs": QUICK}


class Best:
    """The best state of a training so far, by its loss on validation rows."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.loss, self.epoch, self.seen = float("inf"), 0, 0
        self.state: Any = None

    def see(self, loss: float | None, state: Callable[[], Any]) -> None:
        """Note one more epoch, and keep its state if none was better; without a loss, the last one is the best."""
        self.seen += 1
        if self.state is None or loss is None or loss < self.loss:
            self.loss = loss if loss is not None and np.isfinite(loss) else float("inf")
            self.epoch, self.state = self.seen, state()

    @property
    def over(self) -> bool:
        """Whether too many epochs brought nothing."""
        return self.seen - self.epoch >= self.patience


def most(params: Params, *, judged: bool) -> int:
    """Return how many epochs there are at most: as many as were learnt, or many if validation rows may end it."""
    return int(params.get("epochs", MOST if judged else UNSEEN))


def patience(rows: int, batch: int) -> int:
    """Return how many epochs without progress end a training; few rows make few steps in an epoch."""
    return max(PATIENCE, STEPS * batch // max(1, rows))


def batches(rows: int, wanted: int) -> int:
    """Return into how many parts of nearly `wanted` rows each an epoch is cut."""
    return max(1, round(rows / wanted))


def batch_size(job: Job) -> int:
    """Return how many rows make a good step: the fewer there are, the fewer."""
    return 32 if job.rows < 2000 else 128 if job.rows < 20_000 else 256


def widths(params: Params) -> list[int]:
    """Return the width of each layer, of which each is `taper` times the one before."""
    return [max(4, round(params["width"] * params["taper"] ** at)) for at in range(params["depth"])]


def loss(said: np.ndarray, y: np.ndarray, job: Job, weight: np.ndarray | None = None) -> float:
    """Return what early stopping goes by: log loss of class numbers, or the metric's kind of distance of numbers."""
    if job.classifies:
        each = -np.log(np.clip(said[np.arange(len(y)), y], 1e-7, None))
    else:
        each = np.abs(said - y) if job.metric in ("mae", "mape") else np.square(said - y)
    return float(np.average(each, weights=weight))
