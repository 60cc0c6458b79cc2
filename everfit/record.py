"""Small frozen records that go to JSON and come back the same."""

from __future__ import annotations

from typing import Any, Self

from pydantic import TypeAdapter

ADAPTERS: dict[type, TypeAdapter[Any]] = {}


class Record:
    """The base of a frozen dataclass that goes to JSON and comes back the same."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON: times as ISO text, tuples as lists."""
        plain: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raise pydantic's ValidationError on anything else."""
        record: Self = _adapter(cls).validate_python(plain)
        return record


def _adapter(kind: type[Record]) -> TypeAdapter[Any]:
    """Return what reads and writes a kind of record: to make it takes far longer than to use it."""
    if kind not in ADAPTERS:
        ADAPTERS[kind] = TypeAdapter(kind)
    return ADAPTERS[kind]
