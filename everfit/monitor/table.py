"""Rows as the checks for faults read them: a matrix of numbers; the past is read once, and then only extended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from everfit.monitor.counts import Floats, drawn, numbers
from everfit.schema import Column, Schema

MIXER = 0x9E3779B97F4A7C15  # odd, and of 64 bits that look random: no two columns count alike

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True)
class Table:
    """The columns of a schema as (columns, rows) of floats, in the order of time; NaN is null.

    A text is its position among the `levels` of its column, a time is in microseconds. `came` are the columns, of
    whatever kinds, of the frame that was read.
    """

    schema: Schema
    values: Floats
    levels: Mapping[str, Mapping[str, int]]
    came: Schema

    @classmethod
    def of(cls, frame: pd.DataFrame, schema: Schema) -> Table:
        """Read columns of a frame, by their kinds."""
        return cls(schema, np.empty((len(schema.columns), 0)), {}, schema).read(frame)

    def read(self, frame: pd.DataFrame) -> Table:
        """Read another frame into the same columns and codes; one that it lacks, or has of another kind, is null.

        Levels that are new go behind those known. Plain numbers are read at once: a hundred columns take half a
        millisecond, not four.
        """
        values, levels = np.full((len(self.schema.columns), len(frame)), np.nan), dict(self.levels)
        dtypes: dict[Any, Any] = dict(zip(frame.columns, frame.dtypes, strict=True))
        came = _came(frame, self.schema)
        kinds = came.to_dict()
        there = {at: each for at, each in enumerate(self.schema.columns) if kinds.get(each.name) == each.kind}
        plain = [at for at, each in there.items() if _plain(each, dtypes[each.name])]
        values[plain] = frame[[there[at].name for at in plain]].to_numpy("float64").T
        for at in there.keys() - plain:
            values[at] = _read(frame[there[at].name], there[at], levels)
        return Table(self.schema, values, levels, came)

    def with_more(self, rows: Table) -> Table:
        """Append rows that were read by `read`; what was sorted is merged, which takes a tenth of sorting it again."""
        whole = Table(self.schema, np.hstack([self.values, rows.values]), rows.levels, self.came)
        if "ordered" in self.__dict__:
            whole.__dict__["ordered"] = np.sort(np.hstack([self.ordered, rows.ordered]), axis=1, kind="stable")
        for names, known in self._hashed.items():
            whole._hashed[names] = np.sort(np.concatenate([known, rows.hashes_of(names)]), kind="stable")
        return whole

    def rolled(self, limit: int, seed: int = 0) -> Table:
        """Return at most so many rows: the latest for half of them, a sample of the others."""
        return self if len(self) <= limit else self._take(rolled(len(self), limit, seed))

    def sampled(self, limit: int, seed: int = 0) -> Table:
        """Return at most so many rows, drawn by the seed."""
        return self if len(self) <= limit else self._take(drawn(len(self), limit, seed))

    def __len__(self) -> int:
        return int(self.values.shape[1])

    def row(self, name: str) -> Floats:
        """Return one column."""
        return np.asarray(self.values[self.schema.names.index(name)])

    @cached_property
    def nulls(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How many values of each column are null."""
        return np.asarray(np.isnan(self.values).sum(axis=1))

    @cached_property
    def ordered(self) -> Floats:
        """Each column sorted by itself, its nulls last."""
        return np.sort(self.values, axis=1)

    def hashes_of(self, names: tuple[str, ...]) -> Hashes:
        """Return one number for each row, the same for rows that are alike in these columns; sorted."""
        if names not in self._hashed:
            columns = [self.schema.names.index(name) for name in names]
            self._hashed[names] = np.sort(_hashes(self.values[columns]))
        return self._hashed[names]

    @cached_property
    def _hashed(self) -> dict[tuple[str, ...], Hashes]:
        return {}

    def _take(self, rows: np.ndarray) -> Table:
        return Table(self.schema, self.values[:, rows], self.levels, self.came)


def rolled(rows: int, limit: int, seed: int = 0) -> np.ndarray:
    """Return the positions of at most so many rows: all of the latest, a sample of the others."""
    if rows <= limit:
        return np.arange(rows)
    cut = rows - limit // 2
    return np.concatenate([drawn(cut, limit - limit // 2, seed), np.arange(cut, rows)])


def _came(frame: pd.DataFrame, schema: Schema) -> Schema:
    """Return the columns of a frame; one of nothing but nulls has no kind that could have changed."""
    came, wanted = Schema.of(frame), schema.to_dict()
    odd = [name for name, kind in came.to_dict().items() if wanted.get(name, kind) != kind]
    void = {name: wanted[name] for name in odd if frame[name].isna().all()}
    return Schema.from_dict(came.to_dict() | void) if void else came


def _hashes(values: Floats) -> Hashes:
    hashed = pd.util.hash_array(values.ravel(), categorize=False).reshape(values.shape)
    weights = np.arange(1, 2 * len(values), 2, dtype=np.uint64) * np.uint64(MIXER)
    return np.asarray((hashed * weights[:, np.newaxis]).sum(axis=0))


def _plain(column: Column, dtype: Any) -> bool:
    return column.kind in ("number", "boolean") and isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _read(values: pd.Series, column: Column, levels: dict[str, Mapping[str, int]]) -> Floats:
    """Return a column as floats; levels that are new go behind those of the column that are known."""
    if column.kind == "timestamp":
        times = pd.to_datetime(values).to_numpy("datetime64[us]")
        return np.where(np.isnat(times), np.nan, times.view("int64"))
    if column.kind != "string":
        return numbers(values)
    at, came = pd.factorize(values)
    known, words = levels.get(column.name, {}), [str(level) for level in came]
    new = dict.fromkeys(word for word in words if word not in known)
    if new:
        known = {**known, **{word: len(known) + at for at, word in enumerate(new)}}
    levels[column.name] = known
    return np.array([*(known[word] for word in words), np.nan])[at]
