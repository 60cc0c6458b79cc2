"""Casts of one column to one kind, value by value, so that a row alone reads as it does in a crowd."""

from __future__ import annotations

import math
import re
import sys
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

Kind = Literal["number", "boolean", "string", "timestamp", "nested"]

FORMATS = ("ISO8601", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
           "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y", "%d.%m.%Y %H:%M",
           "%d.%m.%Y %H:%M:%S", "%d-%m-%Y", "%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%b-%Y", "%d-%b-%Y %H:%M",
           "%d-%b-%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d %b %Y", "%b %d, %Y",
           "%d %B %Y", "%B %d, %Y")  # fmt: skip
LOOKS_LIKE_DATE = (
    r"^\s*(?:\d{8}T\d|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4}|[A-Za-z]{3,9} \d{1,2}, \d{4})"
)
LARGEST = int(sys.float_info.max)
NANOSECONDS = re.compile(r"(\.\d{6})\d+")
RELATIVE = ("now", "today")  # pandas would read another time at each look
TRUTH = {"true": 1.0, "t": 1.0, "yes": 1.0, "y": 1.0, "1": 1.0, "false": 0.0, "f": 0.0, "no": 0.0, "n": 0.0, "0": 0.0}


def kind_of(values: pd.Series) -> Kind:
    """Return the kind of a column; columns of Python objects are looked into."""
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return kind_of(pd.Series(dtype.categories))
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_datetime64_any_dtype(dtype):
        return "timestamp"
    if types.is_complex_dtype(dtype):
        return "nested"
    if types.is_numeric_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        return "number"
    return _kind_of_objects(values) if types.is_object_dtype(dtype) else "string"


def _kind_of_objects(values: pd.Series) -> Kind:
    seen = types.infer_dtype(values, skipna=True)
    if seen in ("integer", "floating", "mixed-integer-float", "decimal", "timedelta", "timedelta64"):
        return "number"
    if seen == "boolean":
        return "boolean"
    if seen in ("datetime", "datetime64", "date"):
        return "timestamp"
    held = values.dropna()
    nested = (
        len(held) > 0
        and held.map(lambda value: isinstance(value, list | dict | set | tuple | np.ndarray | complex)).any()
    )
    return "nested" if nested else "string"


def cast(values: pd.Series, kind: str, form: str = "") -> pd.Series:
    """Cast to a kind: float64 for numbers and booleans, object of str for strings, datetime64[us] for timestamps.

    Values that cannot be cast are missing. The outcome of a value never depends on its neighbours.
    """
    if kind == "number":
        return as_number(values)
    if kind == "boolean":
        return as_truth(values)
    return as_time(values, form) if kind == "timestamp" else as_text(values)


def missing(kind: str, rows: int, index: pd.Index) -> pd.Series:
    """Return a column of a kind without a single value."""
    dtype = {"number": "float64", "boolean": "float64", "timestamp": "datetime64[us]"}.get(kind, "object")
    return pd.Series(np.full(rows, np.nan) if dtype != "datetime64[us]" else pd.NaT, index=index, dtype=dtype)


def as_number(values: pd.Series) -> pd.Series:
    """Read numbers, also from text and from true and false."""
    values = _plain(values)
    dtype: Any = values.dtype
    if types.is_timedelta64_dtype(dtype):
        return pd.Series(values.dt.total_seconds())
    if types.is_datetime64_any_dtype(dtype) or types.is_complex_dtype(dtype):
        return missing("number", len(values), values.index)
    if isinstance(dtype, np.dtype) and not types.is_object_dtype(dtype):
        return values.astype("float64")
    if types.is_object_dtype(dtype):
        values = values.map(_number)
    read = pd.to_numeric(values, errors="coerce")
    return pd.Series(read.to_numpy(dtype="float64", na_value=np.nan), index=values.index)


def _number(value: Any) -> Any:
    if isinstance(value, pd.Timedelta):
        return value.total_seconds()
    if isinstance(value, int) and abs(value) > LARGEST:
        return math.inf if value > 0 else -math.inf
    return value if isinstance(value, str | int | float | np.number | np.bool_) else _float(value)


def _float(value: Any) -> float:
    try:
        return float(value)  # Decimal and its like
    except (TypeError, ValueError):
        return float("nan")


def as_truth(values: pd.Series) -> pd.Series:
    """Read 1.0 and 0.0 from true and false, however they are written."""
    values = _plain(values)
    dtype: Any = values.dtype
    if isinstance(dtype, np.dtype) and types.is_bool_dtype(dtype):
        return values.astype("float64")
    if types.is_numeric_dtype(dtype):
        numbers = as_number(values)
        return numbers.where(numbers.isin((0.0, 1.0)))
    texts = as_text(values).to_numpy()
    return pd.Series([TRUTH.get(t.strip().lower(), np.nan) if isinstance(t, str) else np.nan for t in texts],
                     index=values.index, dtype="float64")  # fmt: skip


def as_text(values: pd.Series) -> pd.Series:
    """Write every value as text: whole floats as integers, so that 5, 5.0 and '5' are one level."""
    values = _plain(values)
    if isinstance(values.dtype, pd.StringDtype):
        return pd.Series(values.to_numpy(dtype=object, na_value=np.nan), index=values.index, dtype=object)
    texts = np.asarray(values, dtype=object)
    return pd.Series([_text(value) for value in texts], index=values.index, dtype=object)


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict | set | tuple | np.ndarray):
        return str(value)
    if value is None or pd.isna(value):
        return np.nan
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def as_time(values: pd.Series, form: str = "") -> pd.Series:
    """Read UTC timestamps without a zone; text is read in one format, else as ISO 8601."""
    values = _plain(values)
    if types.is_datetime64_any_dtype(values.dtype):
        stamps = values.dt.tz_convert(None) if getattr(values.dtype, "tz", None) else values
        return stamps.astype("datetime64[us]")
    texts = as_text(values)
    stamps = _parse(texts, form or "ISO8601")
    if form not in ("", "ISO8601"):
        stamps = stamps.fillna(_parse(texts, "ISO8601"))
    return stamps


def _parse(texts: pd.Series, form: str) -> pd.Series:
    texts = texts.mask(texts.isin(RELATIVE))
    stamps = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
    if stamps.dt.unit == "ns":  # one value with nanoseconds bounds all others to the years 1678 to 2262
        texts = texts.str.replace(NANOSECONDS, r"\1", regex=True)
        stamps = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
    return stamps.dt.tz_convert(None).astype("datetime64[us]")


def date_format(values: pd.Series) -> str:
    """Return the format in which nearly all of a column's text reads as dates; empty when there is none."""
    texts = as_text(values.iloc[:: max(1, len(values) // 2000)]).dropna()
    if texts.empty or texts.str.match(LOOKS_LIKE_DATE).mean() < 0.95:
        return ""
    read = {form: float(_parse(texts, form).notna().mean()) for form in FORMATS}
    best = max(read, key=lambda form: read[form])
    return best if read[best] >= 0.95 else ""


def _plain(values: pd.Series) -> pd.Series:
    """Undo categories, which would hide the type of what they stand for."""
    dtype: Any = values.dtype
    return values.astype(dtype.categories.dtype) if isinstance(dtype, pd.CategoricalDtype) else values
