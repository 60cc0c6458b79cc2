"""Read a Delta table at one version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

from everfit.reserved import BATCH
from everfit.sources.parquet import stream

FROM = "from "  # before the name of a place, the mark that holds the version which last brought something from there


@dataclass(frozen=True)
class File:
    """One data file of a table, as the log names it."""

    path: str
    size: int
    batch: str
    rows: int


class State:
    """A table at one version."""

    def __init__(self, table: DeltaTable) -> None:
        self._table = table
        self.version: int = table.version()
        self.schema: pa.Schema = pa.schema(table.schema().to_arrow())

    def mark(self, name: str) -> int:
        """Return the number that the last commit about `name` left; 0 when there is none."""
        return self._table.transaction_version(name) or 0

    @property
    def files(self) -> list[File]:
        """The data files, ordered by batch."""
        listed = pa.table(self._table.get_add_actions(flatten=True))
        columns = (listed[name].to_pylist() for name in ("path", "size_bytes", f"partition.{BATCH}", "num_records"))
        return sorted((File(*row) for row in zip(*columns, strict=True)), key=lambda file: (file.batch, file.path))

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each batch are in the table, by digest and in its order."""
        counts: dict[str, int] = {}
        for file in self.files:
            counts[file.batch] = counts.get(file.batch, 0) + file.rows
        return counts

    def dataset(self, batches: Iterable[str] | None = None) -> pads.Dataset:
        """Return the rows, or those of some batches, ordered by batch and by row."""
        wanted = None if batches is None else set(batches)
        whole = self._table.to_pyarrow_dataset()
        batch_of = {file.path: file.batch for file in self.files}
        parts = [p for p in whole.get_fragments() if wanted is None or batch_of[p.path] in wanted]
        parts.sort(key=lambda part: (batch_of[part.path], part.path))
        return pads.FileSystemDataset(parts, whole.schema, whole.format, whole.filesystem)

    def stream(self, batch: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one batch, as they are in its files: without _batch."""
        system = self._system()
        for file in self.files:
            if file.batch == batch:
                with system.open_input_file(file.path) as opened:
                    yield from stream(pq.ParquetFile(opened))

    def facts(self, version: int) -> dict[str, Any]:
        """Return the facts of one commit from its own log file.

        `history(1)` of an older version would list everything since and count the versions wrongly.
        """
        with self._system().open_input_stream(f"_delta_log/{version:020}.json") as log:
            actions = [json.loads(line) for line in log.read().splitlines()]
        info = next(action["commitInfo"] for action in actions if "commitInfo" in action)
        return dict(json.loads(info["facts"]))

    def _system(self) -> pafs.FileSystem:
        return pafs.PyFileSystem(DeltaStorageHandler(self._table.table_uri))

    def history(self) -> list[dict[str, Any]]:
        """Return the facts of every commit that brought a batch, oldest first, with its version and time."""
        return [entry for entry in self._told() if "batch" in entry]

    def _told(self) -> list[dict[str, Any]]:
        found = [entry for entry in reversed(self._table.history()) if "facts" in entry]
        return [{**json.loads(e["facts"]), "version": e["version"], "at": e["timestamp"]} for e in found]

    def origin_of(self, digest: str) -> str:
        """Return the place that brought a batch last, or took it over since; empty when none did."""
        told = [entry for entry in self._told() if digest in (entry.get("batch"), entry.get("handed_over"))]
        return str(told[-1]["origin"]) if told else ""

    def from_inside(self, folder: str) -> set[str]:
        """Return the batches that last came from a place in a folder."""
        last = {str(e.get("batch") or e.get("handed_over")): str(e["origin"]) for e in self._told() if "origin" in e}
        return {digest for digest, origin in last.items() if origin.startswith(f"{folder.rstrip('/')}/")}

    def landing(self, digest: str) -> dict[str, Any]:
        """Return the facts of the commit that brought a batch last."""
        return next(entry for entry in reversed(self.history()) if entry["batch"] == digest)
