"""Delta tables of others: the rows that the newest version names, and no file that it has left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from typing_extensions import override

from everfit.errors import SourceError, first_line
from everfit.sources.base import Typed, check_names
from everfit.sources.files import Place
from everfit.sources.types import lake_schema, to_lake

ROWS = 65_536


class Delta(Typed):
    """One Delta table, by its folder or its URI; its rows are one batch, whatever files they are in."""

    whole = True

    def __init__(self, place: Place, address: str) -> None:
        super().__init__(place.origin)
        self._place, self._address = place, address

    @override
    def stamp(self) -> str:
        with self._reading():
            table = DeltaTable(self._address)
            return f"{table.metadata().id} v{table.version()}"

    @override
    def reader(self) -> pa.RecordBatchReader:
        with self._reading():
            whole = DeltaTable(self._address).to_pyarrow_dataset()
        parts = sorted(whole.get_fragments(), key=lambda part: part.path)
        dataset = pads.FileSystemDataset(parts, whole.schema, whole.format, whole.filesystem)
        names = check_names(whole.schema.names, self.origin)
        schema = pa.schema(list(zip(names, lake_schema(whole.schema).types, strict=True)))
        return pa.RecordBatchReader.from_batches(schema, self._batches(dataset, schema))

    def _batches(self, dataset: pads.Dataset, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._reading():
            for batch in dataset.to_batches(batch_size=ROWS, batch_readahead=1, fragment_readahead=1):
                columns = [to_lake(column, name) for name, column in zip(schema.names, batch.columns, strict=True)]
                yield pa.record_batch(columns, schema=schema)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._place.reading():
            try:
                yield
            except (DeltaError, pa.ArrowException) as cause:
                raise SourceError(
                    f"{self.origin} cannot be read as a Delta table: {first_line(cause)}.",
                    do="Vacuumed files, deletion vectors and columns by id cannot be read; write a plain copy of it.",
                ) from cause
