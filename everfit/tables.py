"""Rows as files of this machine: Parquet or CSV, as the ending says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

WRITERS: dict[str, Callable[[Any, pa.Schema], Any]] = {
    ".parquet": lambda out, schema: pq.ParquetWriter(out, schema, compression="zstd", compression_level=1),
    ".csv": pacsv.CSVWriter,
}


def stream(rows: pa.RecordBatchReader, out: BinaryIO, ending: str) -> None:
    """Write rows to a file that is open."""
    with WRITERS[ending](out, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
