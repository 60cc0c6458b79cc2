"""A pipeline compiled for one row: look-ups and arithmetic in place of frames, then the models' own shortest way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from everfit.features.assemble import Assemble
from everfit.models.blend import Blend
from everfit.models.portfolio import Portfolio, moved
from everfit.serving.steps import CannotCompile, Step, compiled

Row = Mapping[str, Any]
Encode = Callable[[Row], np.ndarray]
Said = Callable[[Row], np.ndarray]


@dataclass(frozen=True)
class Compiled:
    """What answers one row whose values are read: numbers, or probabilities by class, as an array of one row.

    `slowly` names the transformers that go the ordinary way.
    """

    said: Said
    slowly: tuple[str, ...]


def compile_pipeline(pipeline: Any) -> Compiled:
    """Compile a registered model; what has no way of its own for one row is asked with a frame of one row.

    The answers are those of the pipeline, but for the order of floating-point sums.
    """
    slowly: set[str] = set()
    if isinstance(pipeline, Portfolio):
        return Compiled(_portfolio(pipeline, slowly), tuple(sorted(slowly)))
    return Compiled(_pipeline(pipeline, slowly), tuple(sorted(slowly)))


def _portfolio(portfolio: Portfolio, slowly: set[str]) -> Said:
    asks = [(_pipeline(model, slowly), _places(model, portfolio), weight)
            for _, model, weight, _ in portfolio.members if weight]  # fmt: skip
    shape = (1,) if portfolio.classes is None else (1, len(portfolio.classes_))

    def said(row: Row) -> np.ndarray:
        total = np.zeros(shape)
        for ask, places, weight in asks:
            total[..., places] += weight * ask(row)
        return moved(total, portfolio.offset, portfolio.trust)

    return said


def _places(model: Any, portfolio: Portfolio) -> Any:
    """Return where the classes of a member are among those of all."""
    return slice(None) if portfolio.classes is None else np.searchsorted(portfolio.classes_, model.classes_)


def _pipeline(pipeline: Any, slowly: set[str]) -> Said:
    blend: Blend = pipeline.steps[-1][1]
    encoders = {name: _encoder(encoder, slowly) for name, encoder in blend.encoders.items()}

    def said(row: Row) -> np.ndarray:
        return blend.said_of({name: encode(row) for name, encode in encoders.items()})

    return said


def _encoder(encoder: Assemble, slowly: set[str]) -> Encode:
    parts = [(_step(step, slowly), columns) for _, step, columns in encoder.steps_]

    def encode(row: Row) -> np.ndarray:
        made: list[float] = []
        for step, columns in parts:
            made += step([row[name] for name in columns])
        return np.array([made], dtype="float32")

    return encode


def _step(step: Any, slowly: set[str]) -> Step:
    try:
        return compiled(step)
    except CannotCompile as unknown:
        slowly.add(str(unknown))
        return lambda values: step.transform(_objects(values))[0].tolist()


def _objects(values: Any) -> np.ndarray:
    row = np.empty((1, len(values)), dtype=object)
    row[0] = values
    return row
