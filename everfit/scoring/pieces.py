"""Some thousand rows at a time: what one process scores at once, and what is kept of it when a run is ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from everfit import registry
from everfit.files import replacing
from everfit.lake import Batch
from everfit.lake.columns import to_frame
from everfit.reserved import ROW
from everfit.scoring.answers import answers_to


@dataclass(frozen=True)
class Piece:
    """One row group of a staged batch: the rows from `start` on."""

    digest: str
    path: Path
    group: int
    start: int
    rows: int

    @property
    def name(self) -> str:
        """The name of its answers: the same rows have it whatever file they were staged in."""
        return f"{self.digest}-{self.start}-{self.rows}.parquet"

    def read(self, columns: Collection[str] | None = None) -> pa.Table:
        """Return its rows with _row, or those of some columns that are there."""
        with pq.ParquetFile(self.path) as file:
            wanted = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
            return file.read_row_group(self.group, wanted)

    def score(self, loaded: registry.Loaded, part: Path, personal: Collection[str]) -> None:
        """Write what a model says of its rows to a file, which is whole or not there, and shows nothing `personal`."""
        frame = to_frame(self.read({*loaded.card["inputs"], ROW})).drop(columns=ROW)
        answers = answers_to(loaded, frame, personal)
        with replacing(part) as half:
            pq.write_table(answers, half)


def pieces_of(batches: Sequence[Batch]) -> list[Piece]:
    """Cut staged batches along their row groups, which fit into memory, in the order of their rows."""
    found = []
    for batch in batches:
        metadata, start = pq.read_metadata(batch.path), 0
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            found.append(Piece(batch.digest, batch.path, group, start, rows))
            start += rows
    return found
