"""Columns of several frames as one matrix of floats, for the small models of signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from everfit.monitor.counts import Floats, numbers, texts
from everfit.schema import Column, Schema

LEVELS = 60
FEWEST = 10  # rows of a level
FAR = 1e300


def matrix(frames: Sequence[pd.DataFrame], columns: Schema) -> pd.DataFrame:
    """Stack the rows of all frames; leave out times, which move by nature, and columns that some frame lacks.

    Levels are numbered, and the rare ones are one, by their count over all rows: what is done to a row says nothing
    of the frame that it came from, and equal frames stay equal. Nulls are NaN.
    """
    usable = [c for c in columns.columns if c.kind != "timestamp" and all(c.name in frame for frame in frames)]
    read = {c.name: _column([frame[c.name] for frame in frames], c) for c in usable}
    return pd.DataFrame({name: values for name, values in read.items() if values is not None})


def _column(parts: Sequence[pd.Series], column: Column) -> Floats | None:
    """Return one column; None where its values are no longer of their kind."""
    if column.kind == "string":
        return _codes(pd.concat([texts(part).reindex(part.index) for part in parts], ignore_index=True))
    try:
        return np.asarray(np.clip(np.concatenate([numbers(part) for part in parts]), -FAR, FAR))
    except (TypeError, ValueError):
        return None


def _codes(levels: pd.Series) -> Floats:
    counts = levels.value_counts()
    known = counts[counts >= FEWEST].index[:LEVELS]
    codes = known.get_indexer(pd.Index(levels)).astype("float64")  # -1 for what is rare
    return np.where(levels.isna(), np.nan, codes)
