"""What travels instead of rows: small frozen names of data that lie on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from everfit.schema import Schema

LIVE = "live traffic "  # before the number of a period, the origin of what a service was asked in it


@dataclass(frozen=True)
class Batch:
    """What one ingest brought, staged: `digest` is a hash of its content, whatever file or format it came in."""

    model: str
    path: Path
    digest: str
    rows: int
    origin: str
    schema: Schema
    infinite: Mapping[str, int] = field(default_factory=dict)
    """How many infinite values each column holds, for columns that hold any."""
    own: bool = field(default=False, compare=False)
    """Whether it comes from the model's own source, whose next content at the same place replaces it."""
    typed: bool = field(default=True, compare=False)
    """Whether its place said what a column is; the types of text are those that all of its values can be read as."""
    whole: bool = field(default=False, compare=False)
    """Whether its place is a folder, of which this is all that counts."""

    @property
    def live(self) -> bool:
        """Whether it is what a service was asked."""
        return self.origin.startswith(LIVE)


@dataclass(frozen=True)
class Landed:
    """A batch in the lake: good + quarantined = received. `new` when this call put it there."""

    batch: Batch
    good: int
    quarantined: int
    refused: str
    version: int
    new: bool


@dataclass(frozen=True)
class Snapshot:
    """Exactly the rows that a training saw: one version of the table of a model's batches, and one of its labels.

    `digest` is a hash of the batches' digests and of how many rows of each are in, so it changes with the rows and
    not with commits that change no row. `batches` are those digests, in the order of the table. The labels that came
    alone have their own version and digest; both are empty when none had come, or when nobody wrote them down yet.
    """

    model: str
    uri: str
    version: int
    digest: str
    rows: int
    batches: tuple[str, ...]
    labels_version: int | None = None
    labels_digest: str = ""


@dataclass(frozen=True)
class LandedBatch:
    """One line of the lake's log: a batch that landed. `live` is false once a correction has replaced it."""

    digest: str
    origin: str
    rows: int
    good: int
    quarantined: int
    version: int
    at: datetime
    live: bool


@dataclass(frozen=True)
class Change:
    """What one commit does: drop some batches, add one, and remember it under app transaction ids.

    Its marks stay for ever, but where it `fades` only until long after they were last made. `ready` is a Parquet file
    of exactly these rows, which is copied when its columns are those of the table.
    """

    batch: str
    schema: pa.Schema
    rows: Callable[[], Iterable[pa.RecordBatch]] | None
    ready: BinaryIO | None = None
    drop: frozenset[str] = frozenset()
    marks: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    fades: bool = False


def digest_of(counts: Mapping[str, int]) -> str:
    """Name a set of rows: 32 hex digits over each batch's digest and how many of its rows are in."""
    text = "\n".join(f"{digest} {rows}" for digest, rows in sorted(counts.items()))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
