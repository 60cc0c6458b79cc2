"""Small frozen records that go to JSON and come back the same."""

from __future__ import annotations

from typing import Any, Self

from pydantic import TypeAdapter


class Record:
    """The base of a frozen dataclass that goes to JSON and comes back the same."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON: times as ISO text, tuples as lists."""
        plain: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raise pydantic's ValidationError on anything else."""
        record: Self = TypeAdapter(cls).validate_python(plain)
        return record
