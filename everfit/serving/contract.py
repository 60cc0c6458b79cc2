"""What a record must look like: the champion's columns, and which values each of them can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from everfit.errors import did_you_mean
from everfit.personal import HIDDEN
from everfit.serving.values import Read, read_all, reader, text
from everfit.unread import EXPECTED, shown

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
LONGEST_NAME = 200  # longer ones resemble no field, and comparing them takes long
LARGEST = 2**63  # whole numbers beyond it have no column that keeps them

Columns = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Field:
    """One field of a record. `levels` are the most frequent values of a category in a sample of training.

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

    def settle(self, values: list[Any]) -> tuple[list[Any], list[int]]:
        """Return values as they are kept, and the positions of those that cannot be read as what this field is.

        Numbers become numbers, truth becomes true or false, and all else text; dates stay as they are written.
        """
        if self._as_is(values):
            return values, []
        values = [None if value != value else value for value in values]
        odd = [at for at, value in enumerate(values) if not self._as_is((value,))]
        faults = [at for at in odd if not isinstance(values[at], SCALARS)]
        readable = [at for at in odd if isinstance(values[at], SCALARS)]
        for at, read in zip(readable, read_all([values[at] for at in readable], self.kind, self.format), strict=True):
            if read != read:
                faults.append(at)
            else:
                values[at] = self._kept(values[at], read)
        return values, faults

    def _kept(self, value: Any, read: Any) -> Any:
        if self.kind == "timestamp":
            return text(value)
        return bool(read) if self.kind == "boolean" else read

    def _as_is(self, values: Sequence[Any]) -> bool:
        types = set(map(type, values))
        if not types <= PLAIN[self.kind]:
            return False
        return int not in types or all(-LARGEST <= value < LARGEST for value in values if type(value) is int)

    @property
    def expected(self) -> str:
        """Say what may stand here."""
        return EXPECTED[self.kind]

    def shown(self, value: Any) -> str:
        """Return a value as an error shows it."""
        return HIDDEN if self.personal else shown(value)

    def to_json_schema(self) -> dict[str, Any]:
        """Describe the field for OpenAPI."""
        said = f"Such as {', '.join(self.levels)}; one that is new counts as a rare one." if self.levels else ""
        schema: dict[str, Any] = {"type": JSON_TYPES[self.kind], "description": said or EXPECTED[self.kind]}
        examples = self.levels or ([] if self.example is None else [self.example])
        return schema | {"examples": list(examples)} if examples else schema


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

    def columns(self, asked: Sequence[Any] | Columns) -> dict[str, list[Any]]:
        """Return the values of each field, one for each record; a missing field is None.

        What is asked comes as records, or as columns of equal length. Raise BadRecords for records that are no objects,
        for names that nobody knows, and for values that cannot be read.
        """
        given = asked if isinstance(asked, Mapping) else self._turned(asked)
        if strange := sorted(given.keys() - self.known)[:MOST_PROBLEMS]:
            raise BadRecords([self._unknown(0, name) for name in strange])
        gap = [None] * len(next(iter(given.values()), []))
        settled, problems = {}, []
        for each in self.fields:
            values = given.get(each.name, gap)
            settled[each.name], faults = each.settle(values)
            problems += [Problem(at, each.name, each.shown(values[at]), each.expected) for at in faults[:MOST_PROBLEMS]]
        if problems:
            raise BadRecords(sorted(problems, key=lambda problem: problem.record))
        return settled

    def _turned(self, records: Sequence[Any]) -> dict[str, list[Any]]:
        """Turn records into columns of the fields; raise BadRecords for those that cannot be turned."""
        known, found = self.known, []
        for at, record in enumerate(records):
            if not isinstance(record, Mapping):
                told = HIDDEN if any(each.personal for each in self.fields) else shown(record)
                found.append(Problem(at, "", told, "an object with a value for each field"))
            elif not record.keys() <= known:
                found += [self._unknown(at, name) for name in sorted(record.keys() - known)[:MOST_PROBLEMS]]
            if len(found) >= MOST_PROBLEMS:
                break
        if found:
            raise BadRecords(found)
        return {each.name: [record.get(each.name) for record in records] for each in self.fields}

    @property
    def known(self) -> frozenset[str]:
        """All names that a record may have."""
        return self.others.union(each.name for each in self.fields)

    def _unknown(self, at: int, name: str) -> Problem:
        """Return what to say of a name that nobody knows; names that are not read, such as the target, are not told."""
        near = did_you_mean(name, [each.name for each in self.fields]) if len(name) <= LONGEST_NAME else ""
        return Problem(at, name[:LONGEST_NAME], "", f"no field of this model.{near}")

    def to_json_schema(self) -> dict[str, Any]:
        """Describe a record for OpenAPI: no field is required, as each may be missing in production."""
        properties = {each.name: each.to_json_schema() for each in self.fields}
        said = "Any field may be missing. Other columns of the training data may come, and are not read."
        return {"type": "object", "title": "Record", "description": said, "properties": properties,
                "additionalProperties": False}  # fmt: skip


def rows_of(columns: Columns, reads: Mapping[str, Callable[[Any], Any]]) -> list[dict[str, Any]]:
    """Return the values of each record, read."""
    names = list(reads)
    made = [[reads[name](value) for value in columns[name]] for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*made, strict=True)]
