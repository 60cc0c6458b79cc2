"""One raw value, read as training read its column; what is not plain takes the way of a whole column."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from everfit.features import casts

Read = Callable[[Any], Any]
NAN = float("nan")
DAY = 86_400.0
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - training reads UTC without a zone as well
PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")


def reader(kind: str, form: str = "") -> Read:
    """Return what reads one value: a float, text or NaN, or days since 1970 for a timestamp."""
    if kind == "number":
        return number
    if kind == "boolean":
        return truth
    return moment(form) if kind == "timestamp" else text


def number(value: Any) -> float:
    """Read a number; what cannot be read as one is missing."""
    if type(value) is float or type(value) is int:
        return float(value)
    return NAN if value is None else float(_slowly(value, "number"))


def truth(value: Any) -> float:
    """Read 1.0 and 0.0 from true and false."""
    if value is True or value is False:
        return float(value)
    return NAN if value is None else float(_slowly(value, "boolean"))


def text(value: Any) -> Any:
    """Read text; a missing one is NaN."""
    if type(value) is str:
        return value
    return NAN if value is None else _slowly(value, "string")


def moment(form: str = "") -> Read:
    """Return what reads a date that is written in a format as days since 1970, with their fraction."""
    plain = form in ("", "ISO8601")

    def read(value: Any) -> float:
        if value is None:
            return NAN
        if plain and type(value) is str and PLAIN_TIME.fullmatch(value):
            try:
                since = datetime.fromisoformat(value) - EPOCH
            except ValueError:  # the 30th of February
                return NAN
            return since.days + (since.seconds + since.microseconds / 1e6) / DAY
        stamp = _slowly(value, "timestamp", form)
        return NAN if pd.isna(stamp) else stamp.value / 1e9 / DAY if stamp.unit == "ns" else _days(stamp)

    return read


def _days(stamp: pd.Timestamp) -> float:
    return float(np.datetime64(stamp, "us").astype("int64")) / 1e6 / DAY


def _slowly(value: Any, kind: str, form: str = "") -> Any:
    return casts.cast(pd.Series([value], dtype=object), kind, form).iloc[0]
