"""The five types that the lake holds, and how everything that comes in becomes one of them.

int64, double, bool, string and timestamp[us] (naive, UTC). A column without any value has the type null until a
batch brings one. NaN and null are one thing: null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from everfit.errors import DataError
from everfit.schema import kind_of

Array = Any  # pyarrow ships no types
DataType = Any

NULL, BOOL, INT, DOUBLE, STRING = pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string()
MOMENT = pa.timestamp("us")
WRITTEN = (INT, DOUBLE, BOOL, MOMENT)  # what text may stand for, in the order of trying
LEADING_ZERO = "^0[0-9xX]"
WHOLE = "^-?[0-9]+$"
INT_END = 2.0**63


def lake_type(field: pa.Field) -> DataType:
    """Return the type that a column has in the lake; raise DataError for nested and binary columns."""
    held = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_null(held):
        return NULL
    if isinstance(held, pa.UuidType):
        return STRING
    if pa.types.is_integer(held) or (pa.types.is_decimal(held) and held.scale == 0):
        return INT
    return {"boolean": BOOL, "number": DOUBLE, "string": STRING, "timestamp": MOMENT}[kind_of(field)]


def lake_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema in the lake's types."""
    return pa.schema([pa.field(field.name, lake_type(field)) for field in schema])


def to_lake(array: Array, name: str) -> Array:
    """Return one column in its lake type; raise DataError when a value does not fit."""
    wanted = lake_type(pa.field(name, array.type))
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if isinstance(array.type, pa.UuidType):
        array = pa.array([None if value is None else str(value) for value in array.to_pylist()], STRING)
    if pa.types.is_duration(array.type):
        array = pc.divide(array.cast(pa.duration("us"), safe=False).cast(INT).cast(DOUBLE), 1e6)
    if pa.types.is_timestamp(array.type) and array.type.tz:
        array = array.cast(pa.timestamp("us", "UTC"), safe=False)
    if array.type != wanted:
        try:
            array = array.cast(wanted, safe=wanted == INT)
        except pa.ArrowInvalid as cause:
            raise DataError(
                f"Column '{name}' holds whole numbers above 9223372036854775807, which the lake cannot store.",
                do="Write it as text if it names things, or as a double if it counts them.",
            ) from cause
    return _nan_to_null(array) if wanted == DOUBLE else array


def join(one: DataType, other: DataType) -> DataType:
    """Return the narrowest lake type that holds both; what is not both numbers meets as string."""
    if one == other or other == NULL:
        return one
    if one == NULL:
        return other
    return DOUBLE if {one, other} == {INT, DOUBLE} else STRING


def read_text(array: Array, guesses: Sequence[DataType]) -> Array:
    """Return a column of text as the first type that every one of its values can be read as, or as it is."""
    if array.type != STRING:
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array))
    return next((read for wanted in guesses if (read := parse(array, wanted)) is not None), array)


def parse(array: Array, wanted: DataType) -> Array | None:
    """Read text as one type; None when a value does not allow it.

    `007` is a code and never a number, and neither are digits that no int64 holds: as doubles two ids would be one.
    """
    if array.type != STRING or wanted == STRING:
        return array if array.type == wanted else None
    if wanted in (INT, DOUBLE) and _has_codes(array):
        return None
    read = _cast(array, wanted)
    if read is None:
        read = _cast(pc.utf8_trim_whitespace(array), wanted)
    if read is None or wanted != DOUBLE:
        return read
    return None if _has_long_ids(array, read) else _nan_to_null(read)


def widen(array: Array, wanted: DataType) -> Array:
    """Return a column in a type that `join` found for it."""
    return array if array.type == wanted else array.cast(wanted, safe=False)


def duplicates(names: Iterable[str]) -> list[str]:
    """Return the names that are there more than once, in order; capitals make no difference, as in Delta Lake."""
    listed = list(names)
    times = Counter(name.lower() for name in listed)
    return list(dict.fromkeys(name for name in listed if times[name.lower()] > 1))


def _cast(text: Array, wanted: DataType) -> Array | None:
    for exact in (MOMENT, pa.timestamp("us", "UTC")) if wanted == MOMENT else (wanted,):
        try:
            return text.cast(exact).cast(wanted)
        except pa.ArrowInvalid:
            continue
    return None


def _has_codes(array: Array) -> bool:
    zeros = pc.starts_with(array, "0")
    if not pc.any(zeros).as_py():
        return False
    return bool(pc.any(pc.match_substring_regex(array.filter(zeros), LEADING_ZERO)).as_py())


def _has_long_ids(array: Array, read: Array) -> bool:
    large = pc.utf8_trim_whitespace(array.filter(pc.greater_equal(pc.abs(read), INT_END)))
    return _cast(large.filter(pc.match_substring_regex(large, WHOLE)), INT) is None


def _nan_to_null(array: Array) -> Array:
    missing = pc.is_nan(array)
    return pc.if_else(missing, pa.scalar(None, DOUBLE), array) if pc.any(missing).as_py() else array
