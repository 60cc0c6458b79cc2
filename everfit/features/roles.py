"""What each column is to a model, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from everfit.features import casts
from everfit.features.lineage import Derived, Operation

Role = Literal["numeric", "categorical", "high_cardinality", "text", "date", "boolean", "dropped"]

SAMPLE = 100_000  # rows looked at; evenly spaced, so that a sorted file shows all of itself
FEW_LEVELS = 50  # more levels than this are averaged over the target instead of listed
NEARLY = 0.95  # share of values that must agree before a column is read as something else than it says
SAID = "the model file says so"
BOOKKEEPING = ("_batch", "_row", "_prediction_id")


class Wanted(Protocol):
    """What a model file says about its columns (`data:`)."""

    @property
    def target(self) -> str:
        """Name the column to predict."""

    @property
    def time(self) -> str | None:
        """Name the column that orders the rows."""

    @property
    def roles(self) -> Mapping[str, str]:
        """Give roles that override what is inferred."""

    @property
    def reserved(self) -> Collection[str]:
        """Name the columns that are never features."""


@dataclass(frozen=True)
class ColumnPlan:
    """One column: what it is, the kind that it is cast to, and the reason in words."""

    name: str
    role: Role
    kind: casts.Kind
    reason: str
    format: str = ""  # how its dates are written; empty for real timestamps
    order: bool = False  # the time column: its calendar counts, the time itself never

    @property
    def said(self) -> bool:
        """Whether a person gave it its role."""
        return self.reason == SAID


@dataclass(frozen=True)
class Plan:
    """Every column of the training data, in order, and what is made of them; `warnings` are for people."""

    columns: tuple[ColumnPlan, ...]
    derived: tuple[Derived, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[ColumnPlan, ...]:
        """The columns that are not dropped."""
        return tuple(column for column in self.columns if column.role != "dropped")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the raw columns that the model reads."""
        return tuple(column.name for column in self.used)

    @property
    def formats(self) -> dict[str, str]:
        """How dates are written, for the columns that write them as text."""
        return {column.name: column.format for column in self.used if column.format}

    def of(self, *roles: Role, order: bool = False) -> list[str]:
        """Return the names of the columns in these roles; the time column only when asked for."""
        return [column.name for column in self.used if column.role in roles and column.order == order]

    def made_by(self, *operations: Operation) -> list[Derived]:
        """Return the columns that are made in one of these ways."""
        return [each for each in self.derived if each.operation in operations]

    def lineage(self) -> list[dict[str, Any]]:
        """Return a row for each column that a model can read, raw or made: what it is made of, how, and why."""
        raw = [{"column": c.name, "made of": c.name, "operation": c.role, "because": c.reason} for c in self.columns]
        return raw + [
            {"column": each.name, "made of": ", ".join(each.columns), "operation": each.operation,
             "because": each.reason} for each in self.derived
        ]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "columns": [asdict(column) for column in self.columns],
            "derived": [{"name": each.name, **asdict(each), "columns": list(each.columns)} for each in self.derived],
            "warnings": list(self.warnings),
        }


def plan(frame: pd.DataFrame, data: Wanted) -> Plan:
    """Give every column of a frame a role and a reason. What the model file says wins over what is seen."""
    head = frame if len(frame) <= SAMPLE else frame.iloc[:: -(-len(frame) // SAMPLE)]
    return Plan(tuple(_column(str(name), head[name], data) for name in frame.columns if name not in BOOKKEEPING))


def _column(name: str, values: pd.Series, data: Wanted) -> ColumnPlan:
    kind = casts.kind_of(values)
    said = data.roles.get(name)
    if name in data.reserved:
        why = "it is the target" if name == data.target else "the model file keeps it out"
        return ColumnPlan(name, "dropped", kind, why)
    if name == data.time:
        return _time(name, values, kind)
    return _forced(name, values, said) if said else _inferred(name, values, kind)


def _time(name: str, values: pd.Series, kind: casts.Kind) -> ColumnPlan:
    form = casts.date_format(values) if kind == "string" else ""
    if kind != "nested" and values.nunique() < 2:
        return ColumnPlan(name, "dropped", kind, "it never changes")
    if kind == "timestamp" or form:
        return ColumnPlan(name, "date", "timestamp", "its calendar repeats; the time itself never does", form, True)
    return ColumnPlan(name, "dropped", kind, "it orders the rows and has no calendar")


def _forced(name: str, values: pd.Series, said: str) -> ColumnPlan:
    if said == "numeric":
        return ColumnPlan(name, "numeric", "number", SAID)
    if said == "date":
        known = casts.kind_of(values) == "timestamp"
        return ColumnPlan(name, "date", "timestamp", SAID, "" if known else casts.date_format(values) or "ISO8601")
    if said == "text":
        return ColumnPlan(name, "text", "string", SAID)
    levels = casts.as_text(values).dropna().nunique()
    return ColumnPlan(name, "categorical" if levels <= FEW_LEVELS else "high_cardinality", "string", SAID)


def _inferred(name: str, values: pd.Series, kind: casts.Kind) -> ColumnPlan:
    if kind == "nested":
        return ColumnPlan(name, "dropped", kind, "it holds lists or mappings; flatten it in the source")
    present = casts.cast(values, kind).dropna()
    levels = present.nunique()
    if not levels:
        return ColumnPlan(name, "dropped", kind, "it is empty")
    if levels == 1 and len(present) == len(values):
        return ColumnPlan(name, "dropped", kind, f"it is always {str(present.iloc[0])[:40]}")
    return {"boolean": _boolean, "timestamp": _timestamp, "number": _number, "string": _string}[kind](
        name, present, levels
    )


def _boolean(name: str, _: pd.Series, __: int) -> ColumnPlan:
    return ColumnPlan(name, "boolean", "boolean", "it holds true and false")


def _timestamp(name: str, _: pd.Series, __: int) -> ColumnPlan:
    return ColumnPlan(name, "date", "timestamp", "it holds timestamps")


def _number(name: str, present: pd.Series, levels: int) -> ColumnPlan:
    if _counts_rows(present.to_numpy(), levels):
        return ColumnPlan(name, "dropped", "number", "it counts the rows: every value once, without gaps or in order")
    return ColumnPlan(name, "numeric", "number", f"it holds {levels} different numbers")


def _counts_rows(values: np.ndarray, levels: int) -> bool:
    """Tell a row number from a measurement: whole, every value once, and in order or nearly without gaps."""
    if levels < len(values) or levels < 50 or not np.all(np.isfinite(values)) or np.any(values % 1):
        return False
    steps = np.diff(values)
    dense = (values.max() - values.min()) < 1.1 * len(values)
    return bool(dense or np.all(steps > 0) or np.all(steps < 0))


def _string(name: str, present: pd.Series, levels: int) -> ColumnPlan:
    form = casts.date_format(present)
    if form:
        return ColumnPlan(name, "date", "timestamp", f"its text reads as dates, such as {present.iloc[0]!r}", form)
    if levels > FEW_LEVELS and _holds_numbers(present):
        return ColumnPlan(name, "numeric", "number", f"its text reads as numbers, such as {present.iloc[0]!r}")
    if levels <= FEW_LEVELS and levels <= max(2, 0.5 * len(present)):
        return ColumnPlan(name, "categorical", "string", f"it has {levels} levels")
    if levels <= 0.5 * len(present):
        return ColumnPlan(name, "high_cardinality", "string", f"it has {levels} levels, too many to list")
    if present.str.count(r"\s").mean() >= 1:
        return ColumnPlan(name, "text", "string", f"{levels} different texts of several words")
    if levels > NEARLY * len(present) and levels > 2:
        return ColumnPlan(name, "dropped", "string", f"it names the rows: {levels} different values in {len(present)}")
    return ColumnPlan(name, "high_cardinality", "string", f"it has {levels} levels, too many to list")


def _holds_numbers(present: pd.Series) -> bool:
    """Whether text is numbers in disguise; codes with leading zeros are not."""
    parsed = pd.to_numeric(present, errors="coerce").notna().mean() >= NEARLY
    return bool(parsed and not present.str.match(r"^0\d").any())
