"""One step after the other towards better weights. With `layers` and `training` the only door to torch."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch

MOMENTUM, SQUARES, EPSILON = 0.9, 0.999, 1e-8


class Descent:
    """AdamW, and in `mean` the network that is the running mean of those it went through, which is the better one.

    torch's own AdamW imports a compiler at its first step, which takes longer than a small network's whole training.
    Matrices are made smaller by the penalty, biases and scales are not. The mean reaches back `memory` steps.
    """

    def __init__(self, net: Any, rate: float, penalty: float, memory: int) -> None:
        self.net, self.mean = net, deepcopy(net)
        self.rate, self.penalty, self.memory = rate, penalty, memory
        self.count = 0
        self.walked = [(each, torch.zeros_like(each), torch.zeros_like(each)) for each in net.parameters()]

    def step(self, loss: Any) -> None:
        """Go one step down, and move the mean."""
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        self.count += 1
        with torch.no_grad():
            for each in self.walked:
                self._move(*each)
            share = 1 / min(self.count, self.memory)
            for kept, value in zip(self.mean.parameters(), self.net.parameters(), strict=True):
                kept.lerp_(value, share)
            for kept, value in zip(self.mean.buffers(), self.net.buffers(), strict=True):
                kept.copy_(value)

    def _move(self, value: Any, first: Any, second: Any) -> None:
        if value.grad is None:  # an embedding of no columns
            return
        first.lerp_(value.grad, 1 - MOMENTUM)
        second.mul_(SQUARES).addcmul_(value.grad, value.grad, value=1 - SQUARES)
        if value.ndim > 1:
            value.mul_(1 - self.rate * self.penalty)
        scale = (second / (1 - SQUARES**self.count)).sqrt_().add_(EPSILON)
        value.addcdiv_(first, scale, value=-self.rate / (1 - MOMENTUM**self.count))
