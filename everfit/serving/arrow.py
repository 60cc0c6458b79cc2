"""Arrow's IPC stream, in and out: for many rows at once, without the text in between.

Rows, types and compression are known from the metadata of each message, before any of its body is decoded; offsets and
indices are checked before they are followed.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from everfit.errors import first_line
from everfit.reserved import ANSWER, SHARE
from everfit.serving.answers import Answers
from everfit.serving.contract import BadRecords, Columns, Problem
from everfit.serving.reading import MOST_PARTS, Refused, ensure_some
from everfit.spec import Serve

MOST_MESSAGES = 10_000
FLAT = "numbers, true and false, text, dates or timestamps, also as a dictionary"
REASONS = pa.list_(pa.struct({name: pa.string() for name in ("kind", "field", "usual")}))
LENGTH, BODY, DICTIONARY, HEADER, COMPRESSION = 0, 1, 1, 2, 3  # fields of the tables in Arrow's Message.fbs


def from_arrow(body: bytes, limits: Serve) -> Columns:
    """Return the columns of a stream of record batches; raise Refused or BadRecords for what cannot be read."""
    try:
        stream = pa.ipc.open_stream(body)
        _ensure_flat(stream.schema)
        rows = sum(_rows(message) for message in _messages(body)[1:])
        ensure_some(rows, limits)
        _ensure_bounded(rows * len(stream.schema), len(body))
        table = stream.read_all()
        table.validate(full=True)
        most = int(limits.max_body_mb * 2**20)
        return {name: _values(table[name], most) for name in table.column_names}
    except (pa.ArrowException, struct.error, ValueError, OSError, IndexError) as cause:
        if isinstance(cause, BadRecords):
            raise
        raise Refused(
            422, "no Arrow", f"the body cannot be read as a stream of Arrow's IPC format: {first_line(cause)}"
        ) from cause


def _messages(body: bytes) -> list[Any]:
    reader, found = pa.ipc.MessageReader.open_stream(pa.py_buffer(body)), []
    for message in reader:
        found.append(message)
        if len(found) > MOST_MESSAGES:
            raise Refused(413, "too many", f"a stream may have {MOST_MESSAGES:,} messages")
    return found


def _ensure_flat(schema: Any) -> None:
    if not schema.names or len(set(schema.names)) < len(schema.names):
        raise Refused(422, "no Arrow", "the columns must have names, each once")
    nested = [each for each in schema if not _is_flat(each.type)]
    if nested:
        raise BadRecords([Problem(0, each.name[:200], str(each.type)[:80], FLAT) for each in nested[:100]])


def _ensure_bounded(values: int, size: int) -> None:
    """Refuse more values than there are bytes, unless they are few: nulls take none, and truth a bit."""
    if values > max(MOST_PARTS, size):
        raise Refused(413, "too many", f"{values:,} values came in {size:,} bytes, which may stand for {MOST_PARTS:,}")


def _is_flat(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    tests = ("boolean", "integer", "floating", "decimal", "string", "large_string", "date", "timestamp", "null")
    return any(bool(getattr(pa.types, f"is_{test}")(kind)) for test in tests)


def _rows(message: Any) -> int:
    """Return the rows of a batch, 0 for a dictionary; raise Refused when its body is compressed."""
    data = memoryview(message.metadata)
    header = _follow(data, _field(data, _follow(data, 0), HEADER))
    batch = _follow(data, _field(data, header, DICTIONARY)) if message.type == "dictionary" else header
    if _field(data, batch, COMPRESSION):
        raise Refused(415, "compressed", "the batches are compressed: write the stream without compression")
    if message.type == "dictionary":
        return 0
    at = _field(data, batch, LENGTH)
    return int(struct.unpack_from("<q", data, at)[0]) if at else 0


def _field(data: memoryview, table: int, index: int) -> int:
    """Return where a field of a FlatBuffers table is, 0 when it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * index
    if slot >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", data, vtable + slot)[0]
    return int(table + offset) if offset else 0


def _follow(data: memoryview, at: int) -> int:
    return int(at + struct.unpack_from("<I", data, at)[0])


def _values(column: Any, most: int) -> list[Any]:
    """Return values as JSON would bring them: dates as text in UTC, decimals as doubles."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return list(_looked_up(column, most))
    if pa.types.is_timestamp(kind):
        options = pc.CastOptions(pa.timestamp("us"), allow_time_truncate=True)
        return list(pc.cast(column, options=options).cast("string").to_pylist())
    if pa.types.is_date(kind):
        return list(column.cast(pa.date32()).cast("string").to_pylist())
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        column = column.cast("float64")
    return list(column.to_pylist())


def _looked_up(column: Any, most: int) -> Iterator[Any]:
    """Yield texts; of the levels, which all batches share, each decodes those that it names.

    All rows together may be as long as a body without a dictionary.
    """
    total = 0
    for chunk in column.chunks:
        named = chunk.indices.unique().drop_null()
        levels = dict(zip(named.to_pylist(), chunk.dictionary.take(named).to_pylist(), strict=True))
        for at in chunk.indices.to_pylist():
            value = levels.get(at)
            total += len(value or "")
            if total > most:
                raise Refused(413, "too large", f"the text of one column may have {most / 2**20:g} MB in all rows")
            yield value


def to_arrow(model: str, version: int, answers: Answers) -> bytes:
    """Return answers as a stream: a column for each part of an answer, and one for each class's probability."""
    given = answers.given()
    columns: dict[str, Any] = {"id": given.ids, ANSWER: given.values}
    if given.doubts is not None:
        columns["abstained"] = [at in given.doubts for at in range(len(given))]
        columns["reasons"] = pa.array([given.reasons(at) for at in range(len(given))], REASONS)
    table = pa.table(columns | {f"{SHARE}{name}": shares for name, shares in given.shares.items()})
    table = table.replace_schema_metadata({"model": model, "version": str(version)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()
