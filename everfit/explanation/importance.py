"""How much each field matters to a model's answers, over all rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from everfit.explanation.explainer import Explainer, thinned
from everfit.record import Record

PAIRS = 8  # of each row: what is unsure of one row evens out over many
BUDGET = 20_000  # rows that the model is asked about
FEWEST, MOST = 20, 200  # rows that are explained
HALF = 1.96


@dataclass(frozen=True)
class Importance(Record):
    """The mean size of a field's contribution, and its interval of 95 % over the rows that there could have been."""

    field: str
    mean: float
    low: float
    high: float


def importances(explainer: Explainer, rows: pd.DataFrame | None = None) -> list[Importance]:
    """Return the fields, those that matter most first, by contributions to answers about rows that were read.

    Default are rows of the reference. A field that the model does not use has exactly none; a small one comes out a
    little too large, as what is unsure of its contribution has a size as well.
    """
    each = 2 * PAIRS * max(1, len(explainer.kinds) - 1)
    some = thinned(explainer.reference if rows is None else rows, max(FEWEST, min(MOST, BUDGET // each)))
    predicted = explainer.predict(some)
    found, which = explainer.shapley(some, pairs=PAIRS), explainer.outputs(predicted)
    sizes = np.abs(np.take_along_axis(found.values, which[:, None, None], axis=2)[..., 0])
    mean, half = sizes.mean(axis=0), HALF * sizes.std(axis=0) / np.sqrt(len(some))
    made = [
        Importance(field, float(at), float(max(0.0, at - to)), float(at + to))
        for field, at, to in zip(found.fields, mean, half, strict=True)
    ]
    return sorted(made, key=lambda one: -one.mean)
