"""What a suite says, once it has been read and found right."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Severity = Literal["critical", "warning", "info"]
OnFail = Literal["stop", "quarantine"]
MAX_QUARANTINED = 0.2


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite; `place` is the file and line where it stands."""

    type: str
    kwargs: dict[str, Any]
    severity: Severity = "critical"
    on_fail: OnFail = "stop"
    notes: str = ""
    place: str = ""
    level: str = "column"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule looks at, those of its condition included."""
        named = (self.kwargs.get(key) for key in ("column", "column_A", "column_B"))
        listed = (self.kwargs.get(key) or () for key in ("column_list", "column_set"))
        condition = columns_of_condition(self.kwargs.get("row_condition"))
        return tuple(dict.fromkeys([*filter(None, named), *(c for some in listed for c in some), *condition]))

    @property
    def column(self) -> str:
        """The columns as one text, empty for a rule about the table."""
        return "" if self.level == "table" and "column" not in self.kwargs else ", ".join(self.columns)


@dataclass(frozen=True)
class Suite:
    """The rules of one file. Columns in `personal` never show a value in any report."""

    name: str
    rules: tuple[Rule, ...]
    notes: str = ""
    max_quarantined: float = MAX_QUARANTINED
    personal: frozenset[str] = frozenset()
    path: Path | None = None
    custom: Path | None = field(default=None, repr=False)


def columns_of_condition(condition: Any) -> Iterator[str]:
    """Yield the columns that a structured row condition names."""
    if not isinstance(condition, dict):
        return
    column = condition.get("column")
    if isinstance(column, dict) and isinstance(column.get("name"), str):
        yield column["name"]
    parts = condition.get("conditions")
    for part in parts if isinstance(parts, Iterable) and not isinstance(parts, str) else ():
        yield from columns_of_condition(part)
