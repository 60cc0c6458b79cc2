"""How a window's model learns: the pipeline that a search found, fitted anew on the window's own rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from everfit.models.lighter import lighter
from everfit.models.portfolio import refitted
from everfit.upkeep.windows import Window


def learn(
    window: Window,
    recipe: Pipeline,
    X: pd.DataFrame,
    y: np.ndarray,
    size: int | None,
    *,
    numbers: bool,
    weight: Any = None,
) -> Any:
    """Return a model of the last `size` rows, all if None, which are in the order of time.

    None where these are of one class, from which nothing can be learnt; `numbers` have none.
    """
    if not numbers and len(pd.unique(y[-(size or len(y)) :])) < 2:
        return None
    return refitted(lighter(recipe) if window.light else recipe, X, y, size, weight)
