"""What a record must look like: the champion's columns, and which values each of them can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

from everfit.errors import did_you_mean
from everfit.personal import HIDDEN
from everfit.serving.values import Read, reader

EXPECTED = {
    "number": "a number, or null",
    "boolean": "true, false, or null",
    "string": "text, or null",
    "timestamp": "a date such as 2026-03-01T12:00, or null",
}
JSON_TYPES: dict[str, list[str]] = {
    "number": ["number", "null"],
    "boolean": ["boolean", "null"],
    "string": ["string", "number", "boolean", "null"],
    "timestamp": ["string", "null"],
}
PLAIN: dict[str, set[type]] = {
    "number": {int, float, type(None)},
    "boolean": {bool, type(None)},
    "string": {str, type(None)},
    "timestamp": {type(None)},
}
SCALARS = (str, int, float, bool)
MOST_PROBLEMS = 100
LONGEST = 80


@dataclass(frozen=True)
class Field:
    """One field of a record. `levels` are the most frequent values that training saw of a category.

    No error shows a value of a `personal` field.
    """

    name: str
    kind: str
    format: str = ""
    levels: tuple[str, ...] = ()
    example: Any = None
    personal: bool = False
    read: Read = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "read", reader(self.kind, self.format))

    def fault(self, value: Any) -> bool:
        """Say whether a value cannot be read as what this field is; a missing one can."""
        if value is None or type(value) in PLAIN[self.kind]:
            return False
        if not isinstance(value, SCALARS):
            return True
        if self.kind == "string" or (isinstance(value, float) and isnan(value)):
            return False
        return bool(isnan(self.read(value)))

    def kept(self, value: Any) -> Any:
        """Return a value as it is kept: numbers as numbers and text as text, however they were written."""
        if type(value) in PLAIN[self.kind] or self.kind == "timestamp":
            return value
        read = self.read(value)
        return None if read != read else read

    def to_json_schema(self) -> dict[str, Any]:
        """Describe the field for OpenAPI."""
        said = f"Training saw: {', '.join(self.levels)}. Any other counts as a rare one." if self.levels else ""
        schema: dict[str, Any] = {"type": JSON_TYPES[self.kind], "description": said or EXPECTED[self.kind]}
        return schema if self.example is None else schema | {"examples": [self.example]}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value: the position of its record, its field, the value, and what was expected."""

    record: int
    field: str
    value: str
    expected: str


class BadRecords(ValueError):
    """Some records cannot be read; `problems` are the first hundred."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} value(s) cannot be read")
        self.problems = tuple(problems[:MOST_PROBLEMS])


@dataclass(frozen=True)
class Contract:
    """All fields that are read, and other columns of the training data, which may come and are not read."""

    fields: tuple[Field, ...]
    others: frozenset[str] = frozenset()

    def columns(self, records: Sequence[Any]) -> dict[str, list[Any]]:
        """Return the values of each field, one for each record; a missing field is None.

        Raise BadRecords for records that are no objects, for names that nobody knows, and for values that cannot be
        read.
        """
        if problems := self._strange(records):
            raise BadRecords(problems)
        columns = {each.name: [record.get(each.name) for record in records] for each in self.fields}
        problems = [problem for each in self.fields for problem in _faults(each, columns[each.name])]
        if problems:
            raise BadRecords(sorted(problems, key=lambda problem: problem.record))
        return columns

    def _strange(self, records: Sequence[Any]) -> list[Problem]:
        known = {each.name for each in self.fields} | self.others
        found = []
        for at, record in enumerate(records):
            if not isinstance(record, Mapping):
                shown = HIDDEN if any(each.personal for each in self.fields) else _shown(record)
                found.append(Problem(at, "", shown, "an object with a value for each field"))
            elif record.keys() - known:
                found += [_unknown(at, name, known) for name in sorted(record.keys() - known)]
            if len(found) >= MOST_PROBLEMS:
                break
        return found

    def to_json_schema(self) -> dict[str, Any]:
        """Describe a record for OpenAPI: no field is required, as each may be missing in production."""
        properties = {each.name: each.to_json_schema() for each in self.fields}
        return {"type": "object", "title": "Record", "properties": properties, "additionalProperties": False}


def _faults(each: Field, values: list[Any]) -> list[Problem]:
    if set(map(type, values)) <= PLAIN[each.kind]:
        return []
    return [
        Problem(at, each.name, HIDDEN if each.personal else _shown(value), EXPECTED[each.kind])
        for at, value in enumerate(values)
        if each.fault(value)
    ]


def _unknown(at: int, name: str, known: frozenset[str] | set[str]) -> Problem:
    return Problem(at, name, "", f"no field of this model.{did_you_mean(name, known)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def rows_of(columns: Mapping[str, list[Any]], reads: Mapping[str, Callable[[Any], Any]]) -> list[dict[str, Any]]:
    """Return the values of each record, read."""
    names = list(reads)
    made = [[reads[name](value) for value in columns[name]] for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*made, strict=True)]
