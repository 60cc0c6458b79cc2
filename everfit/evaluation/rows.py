"""The identity of rows: what they hold, not where they lie."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from everfit.features import casts

BOOKKEEPING = ("_batch", "_row")
MIX = np.uint64(0x9E3779B97F4A7C15)


def row_hashes(frame: pd.DataFrame) -> np.ndarray:
    """Return one number per row, equal exactly when the rows are equal; lake bookkeeping does not count.

    Whole floats hash as integers do, so that a row keeps its identity when a batch widens a column.
    """
    columns = [name for name in sorted(map(str, frame.columns)) if name not in BOOKKEEPING]
    total = np.zeros(len(frame), dtype="uint64")
    with np.errstate(over="ignore"):
        for name in columns:
            total = (total ^ _mixed(_hash(frame[name]))) * MIX + np.uint64(1)
    return _mixed(total)


def is_beyond(frame: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
    """Say of each row whether it is more than a copy of a known one: rows that are known twice may come twice.

    >>> is_beyond(pd.DataFrame({"x": [1, 1, 2]}), pd.DataFrame({"x": [3, 1]})).tolist()
    [False, True, True]
    """
    shared = [name for name in frame.columns if name in known and name not in BOOKKEEPING]
    had = pd.Series(row_hashes(known[shared])).value_counts() if shared else pd.Series(dtype="int64")
    came = pd.Series(row_hashes(frame[shared]))
    return (came.groupby(came).cumcount() >= came.map(had).fillna(0)).to_numpy()


def column_hashes(values: pd.Series) -> np.ndarray:
    """Return one well-mixed number per value of one column."""
    return _mixed(_hash(values))


def _hash(values: pd.Series) -> np.ndarray:
    kind = casts.kind_of(values)
    if kind in ("number", "boolean"):
        numbers = casts.as_number(values).to_numpy() + 0.0  # -0.0 is 0.0
        return np.where(np.isnan(numbers), np.nan, numbers).view("uint64")
    plain = casts.as_time(values) if kind == "timestamp" else values
    plain = casts.as_text(plain) if plain.dtype == object else plain
    return np.asarray(pd.util.hash_pandas_object(plain, index=False), dtype="uint64")


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread every bit over all bits (splitmix64), so that the share below a threshold is the share of rows."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def hash_of(hashes: np.ndarray) -> str:
    """Return one short name for a set of rows, whatever their order."""
    return hashlib.sha256(np.sort(np.asarray(hashes, dtype="uint64")).tobytes()).hexdigest()[:32]
