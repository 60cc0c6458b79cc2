"""Turn Python values, as JSON and databases give them, into Arrow columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from everfit.sources.types import STRING, Array


def to_array(values: Sequence[Any]) -> Array:
    """Return a column; values of several types meet as text, and objects that are no table are refused later."""
    plain = [float(value) if isinstance(value, Decimal) else value for value in values]
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return _mixed(plain)


def _mixed(values: Sequence[Any]) -> Array:
    if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else _text(value) for value in values], STRING)


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    return str(value)
