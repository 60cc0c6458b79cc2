"""What networks are built of while they are trained. With `descent` and `training` the only door to torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from everfit.models.network import Arrays, positions
from everfit.search.estimators import epochs
from everfit.search.estimators.base import Job, Params

ACTIVE = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU}
NORMS = {"none": nn.Identity, "layer": nn.LayerNorm, "batch": nn.BatchNorm1d}
Exported = tuple[list[np.ndarray], Arrays, list[Arrays]]


class Net(nn.Module):  # type: ignore[misc]
    """Embeddings, blocks and a last layer; `everfit.models.network.Network` computes the same from its arrays."""

    def __init__(self, params: Params, X: np.ndarray, job: Job) -> None:
        super().__init__()
        self.count = job.categories
        self.tables = nn.ModuleList(_table(codes, params["levels"]) for codes in X[:, : self.count].T)
        self.numbers = _numbers(params, X[:, self.count :])
        width = sum(table.embedding_dim for table in self.tables) + self.numbers.width
        blocks = []
        for wanted in epochs.widths(params):
            blocks.append(Block(width, wanted, params))
            width = wanted
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(width, job.classes if job.classifies else 1)

    def forward(self, X: Any) -> Any:
        """Return one row of outputs for each row of codes and numbers."""
        parts = [table(_positions(X[:, at], len(table.weight))) for at, table in enumerate(self.tables)]
        return self.last(self.blocks(torch.cat([*parts, self.numbers(X[:, self.count :])], dim=1)))

    def exported(self) -> Exported:
        """Return everything as arrays."""
        tables = [_whole(table) for table in self.tables]
        layers = [*(block.exported() for block in self.blocks), _dense(self.last)]
        return tables, self.numbers.exported(), layers


class Block(nn.Module):  # type: ignore[misc]
    """A dense layer with what may stand behind it and beside it."""

    def __init__(self, before: int, width: int, params: Params) -> None:
        super().__init__()
        self.dense = nn.Linear(before, width)
        self.norm = NORMS[params["norm"]](width)
        self.active = ACTIVE[params["activation"]]()
        self.drop = nn.Dropout(params["dropout"])
        self.skips = bool(params["skip"])
        self.past = nn.Identity() if before == width else nn.Linear(before, width, bias=False)

    def forward(self, X: Any) -> Any:
        """Return the next hidden values."""
        made = self.drop(self.active(self.norm(self.dense(X))))
        return made + self.past(X) if self.skips else made

    def exported(self) -> Arrays:
        """Return the arrays of one layer; at rest a batch normalisation is a part of the dense layer."""
        arrays = _dense(self.dense)
        if isinstance(self.norm, nn.BatchNorm1d):
            scale = _array(self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps))
            shift = _array(self.norm.bias) - _array(self.norm.running_mean) * scale
            arrays = {"weight": arrays["weight"] * scale, "bias": arrays["bias"] * scale + shift}
        elif isinstance(self.norm, nn.LayerNorm):
            arrays |= {"scale": _array(self.norm.weight), "shift": _array(self.norm.bias)}
        if self.skips:
            itself = isinstance(self.past, nn.Identity)
            arrays["past"] = np.empty((0, 0), dtype="float32") if itself else _array(self.past.weight.T)
        return arrays


class Plain(nn.Module):  # type: ignore[misc]
    """Numbers as they are."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.width = columns

    def forward(self, X: Any) -> Any:
        """Return the numbers."""
        return X

    def exported(self) -> Arrays:
        """Return nothing."""
        return {}


class Embedded(nn.Module):  # type: ignore[misc]
    """Each number as several: what `pieces` says of it, through a small layer of its own.

    After Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning (NeurIPS 2022).
    """

    def __init__(self, columns: int, pieces: int, size: int) -> None:
        super().__init__()
        bound = 1 / np.sqrt(pieces)
        self.weight = nn.Parameter(torch.empty(columns, pieces, size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(columns, size).uniform_(-bound, bound))
        self.width = columns * size

    def pieces(self, X: Any) -> Any:
        """Return several values for each number."""
        raise NotImplementedError

    def forward(self, X: Any) -> Any:
        """Return the embedded numbers side by side."""
        made = torch.relu(self.pieces(X).transpose(0, 1) @ self.weight + self.bias[:, None])
        return made.transpose(0, 1).flatten(1)


class Piecewise(Embedded):
    """How far a number is through each of the ranges that hold equally many rows."""

    def __init__(self, X: np.ndarray, pieces: int, size: int) -> None:
        super().__init__(X.shape[1], pieces, size)
        low, inverse = ranges(X, pieces)
        self.register_buffer("low", torch.from_numpy(low))
        self.register_buffer("inverse", torch.from_numpy(inverse))

    def pieces(self, X: Any) -> Any:
        """Return 0 before each range, 1 after it, and the share of it that is passed."""
        return ((X[:, :, None] - self.low) * self.inverse).clamp(0.0, 1.0)

    def exported(self) -> Arrays:
        """Return the ranges and the layer."""
        return {name: _array(getattr(self, name)) for name in ("low", "inverse", "weight", "bias")}


class Periodic(Embedded):
    """Sines and cosines of learnt frequencies."""

    def __init__(self, columns: int, pieces: int, size: int, sigma: float) -> None:
        super().__init__(columns, 2 * pieces, size)
        self.frequency = nn.Parameter(2 * np.pi * sigma * torch.randn(columns, pieces))

    def pieces(self, X: Any) -> Any:
        """Return the waves of each number."""
        angles = X[:, :, None] * self.frequency
        return torch.cat([torch.sin(angles), torch.cos(angles)], dim=2)

    def exported(self) -> Arrays:
        """Return the frequencies and the layer."""
        return {name: _array(getattr(self, name)) for name in ("frequency", "weight", "bias")}


def ranges(X: np.ndarray, pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where each column's ranges begin, and one by their lengths; a column of few values has fewer ranges."""
    low, inverse = (np.zeros((X.shape[1], pieces), dtype="float32") for _ in range(2))
    for at, column in enumerate(X.T):
        cuts = np.unique(np.round(np.quantile(column, np.linspace(0, 1, pieces + 1)), 4))
        low[at, : len(cuts) - 1] = cuts[:-1]
        inverse[at, : len(cuts) - 1] = 1 / np.diff(cuts)
    return low, inverse


def _numbers(params: Params, X: np.ndarray) -> Any:
    if params["numbers"] == "piecewise":
        return Piecewise(X, params["pieces"], params["size"])
    if params["numbers"] == "periodic":
        return Periodic(X.shape[1], params["pieces"], params["size"], params["sigma"])
    return Plain(X.shape[1])


def _table(codes: np.ndarray, most: int) -> Any:
    """Return an embedding of a column's levels: zero for those that no row has, which therefore learn nothing."""
    size = int(np.nan_to_num(codes, nan=-1.0).max()) + 3
    table = nn.Embedding(size, min(most, max(2, round(1.6 * size**0.56))))
    count = torch.from_numpy(np.bincount(positions(codes, size), minlength=size))
    with torch.no_grad():
        table.weight.mul_((count > 0)[:, None] / np.sqrt(table.embedding_dim))
    table.register_buffer("seen", count)
    return table


def _positions(codes: Any, size: int) -> Any:
    return (torch.nan_to_num(codes, nan=-1.0) + 1).clamp(max=size - 1).long()


def _whole(table: Any) -> np.ndarray:
    """Return a table in which a level that training never saw is the mean of the others."""
    array, seen = _array(table.weight), table.seen.numpy()
    array[seen == 0] = np.average(array, axis=0, weights=seen)
    return array


def _dense(layer: Any) -> Arrays:
    return {"weight": _array(layer.weight.T), "bias": _array(layer.bias)}


def _array(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().numpy(), dtype="float32", order="C")
