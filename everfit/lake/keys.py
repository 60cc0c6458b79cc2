"""One text for each row's id, however a file writes it: 7, 7.0 and "7" are one id, and so are a date and its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

BETWEEN = "\x1f"
WHOLE = r"^[+-]?\d+\.0+$"
DATE = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}\S*)?$"  # ISO 8601: every other way to write a day has two readings
EXACT = 2.0**63


def keys_of(frame: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Return one text per row, null where a part of the id is.

    `007` is a code and stays one: it is not 7.

    >>> one = pd.DataFrame({"id": [7, 8], "day": pd.to_datetime(["2026-03-01", "2026-03-02"])})
    >>> two = pd.DataFrame({"id": ["7", "8.0"], "day": ["2026-03-01", "2026-03-02 00:00:00Z"]})
    >>> bool((keys_of(one, ["id", "day"]) == keys_of(two, ["id", "day"])).all())
    True
    """
    first, *others = (canonical(frame[name]) for name in names)
    for other in others:
        first = first + BETWEEN + other
    return first


def canonical(values: pd.Series) -> pd.Series:
    """Write every value of a column in its one form."""
    dtype: Any = values.dtype
    if types.is_bool_dtype(dtype) or types.is_integer_dtype(dtype):
        return values.astype("str").str.lower()
    if types.is_float_dtype(dtype):
        return _numbers(values)
    if types.is_datetime64_any_dtype(dtype):
        return _times(values)
    return _texts(values.map(_plain).astype("str") if types.is_object_dtype(dtype) else values.astype("str"))


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or value != value:
        return None
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _numbers(values: pd.Series) -> pd.Series:
    plain = values.to_numpy(dtype="float64", na_value=np.nan)
    whole = (np.abs(plain) < EXACT) & (np.floor(plain) == plain)
    written = pd.Series(plain, values.index).astype("str")
    written[whole] = plain[whole].astype("int64").astype("str")
    return written


def _times(values: pd.Series) -> pd.Series:
    stamps = values.dt.tz_convert(None) if getattr(values.dtype, "tz", None) else values
    written = pd.Series(np.datetime_as_string(stamps.to_numpy("datetime64[us]")), values.index, dtype="str")
    return written.mask(stamps.isna())


def _texts(values: pd.Series) -> pd.Series:
    written = values.str.strip()
    whole = written.str.match(WHOLE, na=False)
    written = written.where(~whole, written.str.partition(".")[0])
    dated = written.str.match(DATE, na=False)
    if dated.any():
        times = _times(pd.to_datetime(written[dated], format="ISO8601", errors="coerce", utc=True))
        written.loc[times.index] = times.fillna(written[dated])
    return written
