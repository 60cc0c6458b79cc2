"""One raw value, read as training read its column; what is not plain takes the way of a whole column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from everfit.features import casts
from everfit.features.calendar import LATEST

Read = Callable[[Any], Any]
NAN = float("nan")
DAY = 86_400.0
EXACT = 2**53
FEW = 16  # records, up to which reading each, and its compiled way, are faster than a frame
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?")


def reader(kind: str, form: str = "") -> Read:
    """Return what reads one value: a float, text or NaN, or days since 1970 for a timestamp."""
    if kind == "number":
        return number
    if kind == "boolean":
        return truth
    return moment(form) if kind == "timestamp" else text


def number(value: Any) -> float:
    """Read a number; what cannot be read as one is missing, and what is beyond a double is infinite."""
    if type(value) is float or (type(value) is int and -EXACT < value < EXACT):
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
    """Return what reads a date that is written in a format as days since 1970, with their fraction.

    Dates beyond the years 1 to 9999 are missing: a calendar has no name for their days.
    """
    plain = form in ("", "ISO8601")

    def read(value: Any) -> float:
        if value is None:
            return NAN
        try:
            if plain and type(value) is str and PLAIN_TIME.fullmatch(value):
                return _days(datetime.fromisoformat(value))
            stamp = _slowly(value, "timestamp", form)
            return NAN if pd.isna(stamp) else _days(stamp.to_pydatetime())
        except (ValueError, OverflowError):  # the 30th of February, or the year 10000
            return NAN

    return read


def _days(stamp: datetime) -> float:
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)  # training reads UTC without a zone as well
    since = stamp.astimezone(UTC) - EPOCH
    return since.days + min((since.seconds + since.microseconds / 1e6) / DAY, LATEST)


def read_all(values: Sequence[Any], kind: str, form: str = "") -> list[Any]:
    """Read values of one column; many at once in a fraction of the time, and with the same outcome."""
    if len(values) <= FEW:
        return [reader(kind, form)(value) for value in values]
    cast = casts.cast(pd.Series(values, dtype=object), kind, form)
    if kind != "timestamp":
        return list(cast)
    days = pd.Series(cast.to_numpy("datetime64[us]").astype("int64") / 1e6 / DAY)
    return list(days.where(cast.dt.year.between(1, 9999)))


def _slowly(value: Any, kind: str, form: str = "") -> Any:
    return casts.cast(pd.Series([value], dtype=object), kind, form).iloc[0]
