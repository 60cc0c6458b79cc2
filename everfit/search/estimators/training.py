"""How a network is trained. With `layers` and `descent` the only door to torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from everfit.search.estimators import epochs
from everfit.search.estimators.base import Job, Params, Rows
from everfit.search.estimators.boosting import Clock
from everfit.search.estimators.descent import Descent
from everfit.search.estimators.epochs import Best
from everfit.search.estimators.layers import Exported, Net

AT_ONCE = 4096  # rows that are judged together
MEMORY = 3  # epochs that the mean network is the mean of


def train(params: Params, rows: Rows, job: Job, judge: Rows | None) -> tuple[Exported, int]:
    """Return the best network as arrays, and the epoch that it is of; `y` are class numbers or scaled targets.

    Chance is the seed's alone, and that of the caller is left as it was.
    """
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        net = Net(params, rows.X, job)
        best = _train(net, params, rows, job, judge)
    net.load_state_dict(best.state)
    return net.eval().exported(), best.epoch


def _train(net: Net, params: Params, rows: Rows, job: Job, judge: Rows | None) -> Best:
    learn, seen = _Table(rows, job), None if judge is None else _Table(judge, job)
    best, clock = Best(epochs.patience(len(rows.y), params["batch_size"])), Clock(job.seconds)
    count = epochs.batches(len(rows.y), params["batch_size"])
    descent = Descent(net, params["learning_rate"], params["weight_decay"], memory=MEMORY * count)
    mean = descent.mean.eval()
    while best.seen < epochs.most(params, judged=seen is not None) and not best.over and not (clock.over and best.seen):
        net.train()
        for some in torch.tensor_split(torch.randperm(len(rows.y)), count):
            descent.step(learn.loss(net, some))
            if clock.over:
                break
        best.see(None if seen is None else seen.judge(mean), lambda: _state(mean))
    return best


def _state(net: Net) -> dict[str, Any]:
    return {name: value.clone() for name, value in net.state_dict().items()}


class _Table:
    """Rows as tensors, and how wrong a network is about them. Weights are scaled to a mean of one."""

    def __init__(self, rows: Rows, job: Job) -> None:
        self.X = torch.from_numpy(np.array(rows.X, dtype="float32"))
        kind = "int64" if job.classifies else "float32"
        self.y = torch.from_numpy(np.array(rows.y, dtype=kind))
        weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight / np.mean(rows.weight)
        self.weight = torch.from_numpy(np.array(weight, dtype="float32"))
        self.absolute = job.metric in ("mae", "mape")

    def loss(self, net: Net, rows: Any) -> Any:
        said, y = net(self.X[rows]), self.y[rows]
        if not self.y.is_floating_point():
            each = functional.cross_entropy(said, y, reduction="none")
        else:
            away = said[:, 0] - y
            each = away.abs() if self.absolute else away.square()
        return (each * self.weight[rows]).mean()

    def judge(self, net: Net) -> float:
        """Return the loss on all rows."""
        with torch.no_grad():
            parts = [self.loss(net, some) * len(some) for some in torch.arange(len(self.y)).split(AT_ONCE)]
        return float(sum(parts)) / len(self.y)
