"""The identity of rows: what they hold, not where they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.api import types

from everfit.features import casts
from everfit.lake.columns import EXACT
from everfit.reserved import BATCH, ID, ROW
from everfit.sources.types import INT_END

BOOKKEEPING = (BATCH, ROW, ID)
MIX = np.uint64(0x9E3779B97F4A7C15)
HASHING = 3  # how `row_hashes` does it; what was hashed in one way says nothing to another


def row_hashes(frame: pd.DataFrame, kinds: Mapping[str, str] | None = None, *, way: int = HASHING) -> np.ndarray:
    """Return one number per row, equal exactly when the rows are equal; lake bookkeeping does not count.

    What is missing does not count either: a row stays the same row when its table gets another column, or when a
    column without a value so far gets its type. Whole floats hash as integers do, so that a row keeps its identity
    when a batch widens a column. Given `kinds`, only those columns count, read as what they were when others hashed
    them. `way` 1 and 2 are those of models from before.

    >>> one = pd.DataFrame({"x": [1, 2]})
    >>> two = pd.DataFrame({"new": [None, "a"], "x": [1.0, 2.0]})
    >>> (row_hashes(one) == row_hashes(two)).tolist()
    [True, False]
    """
    names = [name for name in sorted(map(str, frame.columns)) if name not in BOOKKEEPING]
    names = [name for name in names if kinds is None or name in kinds]
    total = np.full(len(frame), MIX if way > 1 else np.uint64(0))
    with np.errstate(over="ignore"):
        for name in names:
            read = frame[name] if kinds is None else _as(frame[name], kinds[name])
            hashes, missing = _hash(read, exact=way > 2)
            if way == 1:
                total = (total ^ _mixed(hashes)) * MIX + np.uint64(1)
            else:
                total += np.where(missing, np.uint64(0), _mixed(_mixed(hashes) ^ _hash_of_name(name)))
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
    return _mixed(_hash(values)[0])


def _as(values: pd.Series, kind: str) -> pd.Series:
    return values if casts.kind_of(values) == kind else casts.cast(values, kind)


def _hash(values: pd.Series, *, exact: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return one number per value of a column, and which values are missing."""
    kind = casts.kind_of(values)
    if kind in ("number", "boolean"):
        numbers = casts.as_number(values).to_numpy() + 0.0  # -0.0 is 0.0
        missing = np.isnan(numbers)
        hashes = np.where(missing, np.nan, numbers).view("uint64")
        return _with_large(hashes, values, numbers) if exact else hashes, missing
    plain = casts.as_time(values) if kind == "timestamp" else values
    plain = casts.as_text(plain) if plain.dtype == object else plain
    hashes = np.asarray(pd.util.hash_pandas_object(plain, index=False), dtype="uint64")
    return hashes, plain.isna().to_numpy()


def _with_large(hashes: np.ndarray, values: pd.Series, numbers: np.ndarray) -> np.ndarray:
    """Let whole numbers that float64 would make one with their neighbours stand for themselves, and for no float."""
    large = np.abs(numbers) >= EXACT
    if types.is_integer_dtype(values.dtype):
        whole = values.to_numpy("int64", na_value=0)
    else:
        large &= np.abs(numbers) < INT_END
        whole = np.where(large, numbers, 0).astype("int64")
    return np.where(large, _mixed(whole.view("uint64")) ^ MIX, hashes)


def _hash_of_name(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread every bit over all bits (splitmix64), so that the share below a threshold is the share of rows."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def hash_of(hashes: np.ndarray) -> str:
    """Return one short name for a set of rows, whatever their order."""
    return hashlib.sha256(np.sort(np.asarray(hashes, dtype="uint64")).tobytes()).hexdigest()[:32]
