"""Turn Python values, as JSON and databases give them, into Arrow columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from everfit.sources.types import DOUBLE, INT_END, STRING, Array


def to_array(values: Sequence[Any]) -> Array:
    """Return a column; objects that are no table are refused later.

    Numbers meet as doubles unless a whole one is beyond int64, as in CSV. All else that is of several types meets as
    text, and so do such whole numbers, which may be ids.
    """
    plain = [_number(value) if isinstance(value, Decimal) else value for value in values]
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        if all(_is_like_double(value) for value in plain):
            return pa.array([None if value is None else float(value) for value in plain], DOUBLE)
        return pa.array([None if value is None else _text(value) for value in plain], STRING)


def _is_like_double(value: Any) -> bool:
    return value is None or isinstance(value, float) or (type(value) is int and abs(value) < INT_END)


def _number(value: Decimal) -> int | float:
    """Keep what is written whole exact, as it may be an id."""
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    return str(value)
