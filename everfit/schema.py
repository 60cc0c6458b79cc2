"""What columns a table has, in the few kinds that matter to a model, and what changed between two tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from everfit.errors import DataError
from everfit.spec import SchemaPolicy

Kind = Literal["number", "boolean", "string", "timestamp"]
ChangeKind = Literal["added", "removed", "retyped", "reordered"]

PLAIN: dict[str, Kind] = {"b": "boolean", "i": "number", "u": "number", "f": "number"}  # by NumPy's kind of a dtype


@dataclass(frozen=True)
class Column:
    """One column: its name and its kind."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Change:
    """One difference between the columns that were expected and those that came."""

    kind: ChangeKind
    column: str
    detail: str

    def __str__(self) -> str:
        return f"{self.column} {self.kind}: {self.detail}"


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in order; `blank` are those without any value, whose kind is anybody's guess."""

    columns: tuple[Column, ...]
    blank: frozenset[str] = frozenset()

    @classmethod
    def of(cls, table: pa.Schema | pd.DataFrame) -> Schema:
        """Read the kinds from Arrow types; a frame's object columns are looked into. Raise DataError on nested data.

        NumPy's plain numbers need no such look, which takes Arrow three milliseconds for a hundred columns.
        """
        if isinstance(table, pa.Schema):
            return cls(tuple(Column(field.name, kind_of(field)) for field in table))
        kinds = [PLAIN.get(dtype.kind) if isinstance(dtype, np.dtype) else None for dtype in table.dtypes]
        others = table.iloc[:, [at for at, kind in enumerate(kinds) if kind is None]]
        looked = iter(pa.Schema.from_pandas(others, preserve_index=False))
        return cls(
            tuple(Column(str(name), kind or kind_of(next(looked))) for name, kind in zip(table, kinds, strict=True))
        )

    @classmethod
    def from_dict(cls, kinds: dict[str, Kind], blank: Iterable[str] = ()) -> Schema:
        """Build a schema from `{name: kind}`, as `to_dict` writes it."""
        return cls(tuple(Column(name, kind) for name, kind in kinds.items()), frozenset(blank))

    def to_dict(self) -> dict[str, Kind]:
        """Return `{name: kind}`, in order, ready for JSON."""
        return {column.name: column.kind for column in self.columns}

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    def without(self, names: Iterable[str]) -> Schema:
        """Return the schema less some columns."""
        gone = set(names)
        return replace(self, columns=tuple(column for column in self.columns if column.name not in gone))

    def only(self, names: Collection[str | None]) -> Schema:
        """Return the schema of some columns, in its own order."""
        return replace(self, columns=tuple(column for column in self.columns if column.name in names))

    def changes(self, came: Schema) -> tuple[Change, ...]:
        """Classify how `came` differs from this schema: removed, added, retyped, or only reordered.

        Columns that are blank here are no difference, whatever became of them: nobody learnt anything from them.
        """
        if self.blank:
            return replace(self.without(self.blank), blank=frozenset()).changes(came.without(self.blank))
        old_kinds, new_kinds = self.to_dict(), came.to_dict()
        removed = [Change("removed", n, f"was {k}") for n, k in old_kinds.items() if n not in new_kinds]
        added = [Change("added", n, f"is {k}") for n, k in new_kinds.items() if n not in old_kinds]
        retyped = [
            Change("retyped", n, f"was {k}, is {new_kinds[n]}")
            for n, k in old_kinds.items()
            if n in new_kinds and new_kinds[n] != k
        ]
        shared = [n for n in self.names if n in new_kinds]
        moved = [n for n in came.names if n in old_kinds]
        swapped = next(((old, new) for old, new in zip(shared, moved, strict=True) if old != new), None)
        reordered = [Change("reordered", swapped[1], f"stands where {swapped[0]} was")] if swapped else []
        return (*removed, *added, *retyped, *reordered)


def kind_of(field: pa.Field[Any]) -> Kind:
    """Return the kind of one Arrow field; raise DataError for nested and binary columns."""
    held = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    is_ = pa.types
    if is_.is_boolean(held):
        return "boolean"
    if is_.is_integer(held) or is_.is_floating(held) or is_.is_decimal(held) or is_.is_duration(held):
        return "number"
    if is_.is_string(held) or is_.is_large_string(held) or is_.is_string_view(held) or is_.is_null(held):
        return "string"
    if is_.is_timestamp(held) or is_.is_date(held):
        return "timestamp"
    if is_.is_time(held):
        return "string"
    raise DataError(
        f"Column '{field.name}' holds {held}, which no model here can learn from.",
        do="Flatten it in the source, or leave it out there; data.drop comes too late, as it cannot be stored.",
    )


def judge_changes(
    learnt: Schema, came: Schema, policy: SchemaPolicy, *, but: Collection[str | None] = ()
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Return what to warn about and what blocks, by what the model file says of each kind of change.

    Columns in `but` are not judged: labels that come later, for instance.
    """
    judged = [(policy.model_dump()[c.kind], c) for c in learnt.changes(came) if c.column not in but]
    warnings = tuple(change for outcome, change in judged if outcome == "warn")
    return warnings, tuple(change for outcome, change in judged if outcome == "block")
