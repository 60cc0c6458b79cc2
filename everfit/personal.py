"""Columns that name people: what is kept of them beyond the rows that a model learns from."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa

from everfit.errors import InputError
from everfit.settings import Settings
from everfit.spec import ModelSpec

SHORTEST = 32  # characters of the key
DIGITS = 32  # hex digits of a hash: 128 bits
HIDDEN = "(personal)"


@dataclass(frozen=True)
class Personal:
    """The personal columns of a model. With a `key` their values are kept as hashes, without one not at all.

    A hash is a keyed one (HMAC-SHA-256), of a value and its column's name: without the key nobody finds a value by
    trying, and equal values of two columns have different hashes. A number has one hash, as 5, 5.0 or "5". Hashes
    say which answers are about the same person; labels find answers by `prediction_id`, and by no hash.
    """

    columns: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, spec: ModelSpec, settings: Settings) -> Self:
        """Read what a model file wants; raise InputError when that is hashes, and there is no key for them."""
        columns = frozenset(spec.data.personal)
        if spec.serve.personal == "drop" or not columns:
            return cls(columns)
        key = settings.hash_key.get_secret_value()
        if len(key) < SHORTEST:
            raise InputError(
                f"{spec.name}: serve.personal says hash, and EVERFIT_HASH_KEY is {'too short' if key else 'not set'}.",
                why="Whoever can guess the key finds out whom a hash stands for.",
                do=f"Set it to {SHORTEST} random characters or more, such as from `openssl rand -hex 32`, and keep it: "
                "another key gives other hashes.",
            )
        return cls(columns, key.encode())

    def names(self, columns: Iterable[str]) -> list[str]:
        """Return the columns of which anything is kept."""
        return [name for name in columns if self.key or name not in self.columns]

    def column(self, name: str, values: list[Any]) -> list[Any]:
        """Return the values of a column as they are kept."""
        return [self.kept(name, value) for value in values] if name in self.columns else values

    def kept(self, name: str, value: Any) -> Any:
        """Return a value as it is kept: itself, or its hash, or None where nothing is kept of its column."""
        if name not in self.columns or value is None or value != value:
            return value
        if not self.key:
            return None
        said = f"{name}\x1f{_text(value)}".encode()
        return hmac.new(self.key, said, hashlib.sha256).hexdigest()[:DIGITS]

    def table(self, rows: pa.Table) -> pa.Table:
        """Return rows as they are kept: personal columns hashed, or gone."""
        kept = rows.select(self.names(rows.column_names))
        for name in self.columns.intersection(kept.column_names):
            hashed = [self.kept(name, value) for value in kept[name].to_pylist()]
            kept = kept.set_column(kept.column_names.index(name), name, pa.array(hashed, pa.string()))
        return kept


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
