"""A trained network as plain arrays: predicting needs numpy, and not what it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, Self

import numpy as np
from scipy.special import erf, expit
from sklearn.base import BaseEstimator

AT_ONCE = 4096  # rows; embedded numbers are many times as large as the numbers
EPSILON = 1e-5  # torch's own, of layer normalisation

Arrays = dict[str, np.ndarray]


class Network(BaseEstimator):  # type: ignore[misc]
    """Embedded categories and numbers, dense layers, one output per class (or one number).

    `tables_` has an array for each column of codes at the left of the matrix, with rows for a gap, for each level, and
    for every other one. `numbers_` says how the other columns are embedded: {} not at all, by `low` and `inverse`
    piecewise-linear, by `frequency` periodic. Each of `layers_` has `weight` and `bias`, perhaps `scale` and `shift`
    of a layer normalisation, and `past`, the matrix of a skip connection (without a row, it is the input itself).
    """

    def __init__(self, activation: str = "relu") -> None:
        self.activation = activation

    def load(self, tables: list[np.ndarray], numbers: Arrays, layers: list[Arrays]) -> Self:
        """Take over what was trained elsewhere."""
        self.tables_, self.numbers_, self.layers_ = tables, numbers, layers
        return self

    def fit(self, *_: Any, **__: Any) -> NoReturn:
        """Raise TypeError: training needs what this class is there to do without."""
        raise TypeError("A network is trained by the search, which has torch; what it left here can only predict.")

    def predict(self, X: Any) -> np.ndarray:
        """Return the first output of each row."""
        return np.asarray(self.outputs(X)[:, 0])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and output."""
        said = self.outputs(X)
        shares = np.exp(said - said.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def outputs(self, X: Any) -> np.ndarray:
        """Return what the last layer says."""
        matrix = np.asarray(X, dtype="float32")
        parts = [self._outputs(matrix[at : at + AT_ONCE]) for at in range(0, max(1, len(matrix)), AT_ONCE)]
        return np.concatenate(parts).astype("float64")

    def _outputs(self, X: np.ndarray) -> np.ndarray:
        count = len(self.tables_)
        parts = [table[positions(X[:, at], len(table))] for at, table in enumerate(self.tables_)]
        hidden = np.hstack([*parts, embedded(X[:, count:], self.numbers_)])
        for layer in self.layers_[:-1]:
            hidden = self._layer(hidden, layer)
        return np.asarray(hidden @ self.layers_[-1]["weight"] + self.layers_[-1]["bias"])

    def _layer(self, hidden: np.ndarray, layer: Mapping[str, np.ndarray]) -> np.ndarray:
        made = hidden @ layer["weight"] + layer["bias"]
        if "scale" in layer:
            made = made - made.mean(axis=1, keepdims=True)
            made = made / np.sqrt(np.square(made).mean(axis=1, keepdims=True) + EPSILON)
            made = made * layer["scale"] + layer["shift"]
        made = active(made, self.activation)
        if "past" not in layer:
            return made
        return np.asarray(made + (hidden @ layer["past"] if len(layer["past"]) else hidden))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "layers_")


def positions(codes: np.ndarray, size: int) -> np.ndarray:
    """Return the rows of a table for codes: the first for a gap, the last for every level that it does not know."""
    return np.asarray(np.minimum(np.nan_to_num(codes, nan=-1.0) + 1, size - 1), dtype="int64")


def embedded(X: np.ndarray, by: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return numbers as several columns each, side by side."""
    if not by:
        return X
    if "frequency" in by:
        angles = X[:, :, None] * by["frequency"]
        pieces = np.concatenate([np.sin(angles), np.cos(angles)], axis=2)
    else:
        pieces = np.clip((X[:, :, None] - by["low"]) * by["inverse"], 0.0, 1.0)
    made = np.maximum(pieces.transpose(1, 0, 2) @ by["weight"] + by["bias"][:, None], 0.0)
    return np.asarray(made.transpose(1, 0, 2).reshape(len(X), made.shape[0] * made.shape[2]))


def active(values: np.ndarray, name: str) -> np.ndarray:
    """Return what an activation makes of values."""
    if name == "relu":
        return np.asarray(np.maximum(values, 0.0))
    if name == "silu":
        return np.asarray(values * expit(values))
    return np.asarray(values * (0.5 + 0.5 * erf(values * np.float32(np.sqrt(0.5)))))  # gelu
