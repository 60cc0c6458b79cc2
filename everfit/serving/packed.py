"""Many answers as one entry of the journal: their columns as a stream of Arrow's, for a tenth of the time of JSON."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

Lists = Mapping[str, Sequence[Any]]
Entry = dict[str, Any]
PACKED, ROWS = "arrow", "rows"  # of an entry that stands for many answers, in place of their columns
OWN, SHARES, FIELDS = "own", "probabilities", "fields"


def as_entries(facts: Mapping[str, Any], own: Lists, shares: Lists, fields: Lists) -> list[Entry]:
    """Return an entry for each answer: the facts that all share, its own values, its probabilities and its fields."""
    made: list[Entry] = [{**facts, **each, FIELDS: {}} for each in _turned(own)]
    for part, lists in ((SHARES, shares), (FIELDS, fields)):
        for entry, each in zip(made, _turned(lists), strict=False):
            entry[part] = each
    return made


def _turned(lists: Lists) -> Iterator[dict[str, Any]]:
    names = list(lists)
    return (dict(zip(names, row, strict=True)) for row in zip(*lists.values(), strict=True))


def pack(facts: Mapping[str, Any], own: Lists, shares: Lists, fields: Lists) -> list[Entry]:
    """Return one entry that stands for all answers; an entry for each where a column has no one type."""
    parts = {OWN: own, SHARES: shares, FIELDS: fields}
    try:
        table = pa.table(
            {f"{part}/{name}": pa.array(values) for part, lists in parts.items() for name, values in lists.items()}
        )
    except (pa.ArrowException, OverflowError):
        return as_entries(facts, own, shares, fields)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return [{**facts, ROWS: len(table), PACKED: base64.b64encode(sink.getvalue()).decode()}]


def unpack(entry: Mapping[str, Any]) -> list[Entry]:
    """Return the answers that one entry stands for; raise ValueError, KeyError, TypeError or OSError for others."""
    table = pa.ipc.open_stream(base64.b64decode(entry[PACKED], validate=True)).read_all()
    parts: dict[str, dict[str, list[Any]]] = {OWN: {}, SHARES: {}, FIELDS: {}}
    for column in table.column_names:
        part, _, name = column.partition("/")
        parts[part][name] = table[column].to_pylist()
    facts = {name: value for name, value in entry.items() if name not in (ROWS, PACKED)}
    return as_entries(facts, *parts.values())


def answers_in(entries: Sequence[Mapping[str, Any]]) -> int:
    """Return for how many answers some entries stand."""
    return sum(entry.get(ROWS, 1) for entry in entries)
