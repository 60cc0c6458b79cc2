"""Make a batch and the arguments of a rule fit each other, as Great Expectations compares only like with like."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
from pandas.api import types

from everfit.reserved import BATCH, ID, ROW
from everfit.schema import Kind
from everfit.spec import parse_duration

BOOKKEEPING = (BATCH, ROW, ID)  # the lake's own columns; no rule about the table may count them
MOMENTS = ("min_value", "max_value")
TEXT = frozenset({"str", "string", "object", "object_", "String", "StringDtype"})
MOMENT = frozenset({"datetime64", "datetime64[ns]", "datetime64[us]", "datetime", "Timestamp"})
OF_TYPE, IN_TYPES = "expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the batch as it came, with a fresh row order 0, 1, ... and with the types of the lake."""
    came = frame.drop(columns=[name for name in BOOKKEEPING if name in frame.columns])
    columns = {str(name): _plain(came.iloc[:, n].reset_index(drop=True)) for n, name in enumerate(came.columns)}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def kind(column: pd.Series) -> Kind | None:
    """Say what a plain column holds; None where that is nothing, or a mixture."""
    held = column.dtype
    if not column.notna().any():
        return None
    if isinstance(held, pd.StringDtype):
        return "string"
    if types.is_bool_dtype(held):
        return "boolean"
    if types.is_datetime64_any_dtype(held):
        return "timestamp"
    return "number" if types.is_numeric_dtype(held) else None


def call(name: str, kwargs: dict[str, Any], frame: pd.DataFrame, now: datetime) -> tuple[str, dict[str, Any]]:
    """Return what to ask Great Expectations so that it judges what the rule means.

    It knows the text and time columns of pandas 3 by one spelling and in one of its two type expectations only.
    """
    if name in (OF_TYPE, IN_TYPES):
        column = frame[kwargs["column"]].dtype
        asked = {kwargs["type_"]} if name == OF_TYPE else set(kwargs.get("type_list") or ())
        if isinstance(column, pd.StringDtype) and asked & TEXT:
            return OF_TYPE, {"column": kwargs["column"], "type_": "str"}
        if types.is_datetime64_any_dtype(column) and asked & MOMENT:
            return OF_TYPE, {"column": kwargs["column"], "type_": "datetime64"}
    return name, arguments(kwargs, frame, now)


def arguments(kwargs: dict[str, Any], frame: pd.DataFrame, now: datetime) -> dict[str, Any]:
    """Fill in the moment of the run, and turn written dates into moments where the column holds moments."""
    filled = {key: _moment(value, now) for key, value in kwargs.items()}
    column = filled.get("column")
    if column not in frame.columns or not types.is_datetime64_any_dtype(frame[column]):
        return filled
    for key in MOMENTS:
        filled[key] = _date(filled.get(key))
    if isinstance(filled.get("value_set"), list):
        filled["value_set"] = [_date(value) for value in filled["value_set"]]
    return {key: value for key, value in filled.items() if value is not None}


def _moment(value: Any, now: datetime) -> Any:
    if not isinstance(value, dict) or "$PARAMETER" not in value:
        return value
    moment = now.astimezone(UTC).replace(tzinfo=None)
    words = str(value["$PARAMETER"]).split()
    if len(words) == 3:
        moment += parse_duration(words[2]) * (1 if words[1] == "+" else -1)
    return moment


def _date(value: Any) -> Any:
    """Read a written date as a moment in UTC; a day alone means its first moment."""
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _plain(column: pd.Series) -> pd.Series:
    held = column.dtype
    if isinstance(held, pd.CategoricalDtype):
        values: pd.Series = column.astype(held.categories.dtype)
        return _plain(values)
    if isinstance(held, pd.DatetimeTZDtype):
        moments: pd.Series = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return moments
    if types.is_extension_array_dtype(held) and not isinstance(held, pd.StringDtype):
        return _plain(_from_extension(column))
    if types.is_object_dtype(held):
        return _from_objects(column)
    if isinstance(held, pd.StringDtype):
        return column.astype("str")
    if types.is_integer_dtype(held) and held != "int64":
        return column.astype("int64")
    return column.astype("float64") if types.is_float_dtype(held) and held != "float64" else column


def _from_objects(column: pd.Series) -> pd.Series:
    """Look into a column of Python objects; what is mixed stays as it is."""
    held = types.infer_dtype(column, skipna=True)
    if held == "empty":
        return column.astype("str")
    if held == "decimal":
        return column.astype("float64")
    return pd.to_datetime(column) if held == "date" else column.infer_objects()


def _from_extension(column: pd.Series) -> pd.Series:
    """Turn nullable and Arrow columns into the plain type of the same values."""
    if types.is_bool_dtype(column.dtype):
        return column.astype(object if column.hasnans else bool)
    if types.is_integer_dtype(column.dtype):
        return column.astype("float64" if column.hasnans else "int64")
    if types.is_float_dtype(column.dtype):
        return column.astype("float64")
    if types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column.astype(object))
    return pd.Series(column.array.to_numpy(), index=column.index, name=column.name, dtype=object)
