"""Parquet files: typed, columnar, and the best way to bring data in."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from everfit.errors import SourceError, first_line
from everfit.sources.base import Typed, check_names
from everfit.sources.files import Place
from everfit.sources.types import lake_schema, to_lake

ROWS = 65_536


def stream(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Yield the rows, one row group after the other: read at once, what was read of each would be kept."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=ROWS, row_groups=[group])


class Parquet(Typed):
    """One Parquet file."""

    suffixes = (".parquet", ".pq")

    def __init__(self, place: Place) -> None:
        super().__init__(place.origin)
        self._place = place

    @override
    def stamp(self) -> str:
        return self._place.stamp()

    @override
    def reader(self) -> pa.RecordBatchReader:
        with self._place.reading():
            if self._place.is_empty():
                return pa.RecordBatchReader.from_batches(pa.schema([]), [])
            file = self._open()
        names = check_names(file.schema_arrow.names, self.origin)
        schema = pa.schema(list(zip(names, lake_schema(file.schema_arrow).types, strict=True)))
        return pa.RecordBatchReader.from_batches(schema, self._batches(file, schema))

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._place.random_access())
        except (pa.ArrowException, OSError) as cause:
            raise self._corrupt(cause) from cause

    def _batches(self, file: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._place.reading(), file:
            try:
                for batch in stream(file):
                    columns = [to_lake(column, name) for name, column in zip(schema.names, batch.columns, strict=True)]
                    yield pa.record_batch(columns, schema=schema)
            except (pa.ArrowException, OSError) as cause:
                raise self._corrupt(cause) from cause

    def _corrupt(self, cause: Exception) -> Exception:
        if isinstance(cause, OSError) and cause.errno:
            return cause
        return SourceError(
            f"{self.origin} is not a whole Parquet file: {first_line(cause)}",
            do="Write it again; a copy that was cut short looks like this.",
        )
