"""The columns of a table, and how rows get to have them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from everfit.reserved import BATCH, ROW
from everfit.sources.types import DOUBLE, INT, NULL, STRING, join, widen

EXACT = 2**53  # beyond it, float64 skips whole numbers
GROUP_ROWS, GROUP_BYTES = 65_536, 64 << 20


def merge(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Return the columns of both in types that hold the values of both; new columns come last.

    Delta does not tell `Price` from `price`: the spelling that came first stays.
    """
    types = {column.name: column.type for column in old}
    spelt = {name.lower(): name for name in types}
    for column in new:
        name = spelt.get(column.name.lower(), column.name)
        types[name] = join(types.get(name, NULL), column.type)
    return stored(pa.schema(list(types.items())))


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows with exactly these columns; what is missing is null."""
    spelt = {name.lower(): batch.column(name) for name in batch.schema.names}
    columns = [
        widen(spelt[column.name.lower()], column.type)
        if column.name.lower() in spelt
        else pa.nulls(batch.num_rows, column.type)
        for column in schema
    ]
    return pa.record_batch(columns, schema=schema)


def stored(schema: pa.Schema) -> pa.Schema:
    """A column without any value so far is stored as double: Delta has no type for nothing."""
    typed = pa.schema([pa.field(c.name, DOUBLE if c.type == NULL else c.type) for c in schema])
    for name, kind in ((ROW, INT), (BATCH, STRING)):
        if name not in typed.names:
            typed = typed.append(pa.field(name, kind))
    return typed


def write_rows(out: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write one Parquet file of these columns, in row groups that fit into memory; return how many rows it has."""
    count, waiting = 0, list[pa.RecordBatch]()
    with pq.ParquetWriter(out, schema, compression="zstd", compression_level=1) as writer:
        for batch in batches:
            waiting.append(conform(batch, schema))
            count += batch.num_rows
            if sum(b.num_rows for b in waiting) >= GROUP_ROWS or sum(b.nbytes for b in waiting) >= GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
    return count


def fits(ready: pa.Schema, table: pa.Schema) -> bool:
    """Whether a file can be a table's as it is; columns that it lacks are null then."""
    return all(column.name in table.names and table.field(column.name).type == column.type for column in ready)


def copy(ready: BinaryIO, out: Any) -> int:
    """Copy a Parquet file as it is; return how many rows it has."""
    ready.seek(0)
    shutil.copyfileobj(ready, out, 1 << 20)
    return int(pq.read_metadata(ready).num_rows)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a frame, freeing the table on the way.

    A column without any value is one of missing numbers. Whole numbers beside nulls are float64, or Int64 where that
    could not tell two of them apart: they may be ids.
    """
    schema = pa.schema([c.with_type(DOUBLE) if pa.types.is_null(c.type) else c for c in table.schema])
    table = table.cast(schema)
    large = [c.name for c in schema if c.type == INT and table[c.name].null_count and _beyond(table[c.name])]
    exact = {name: table[name].to_pandas(types_mapper={INT: pd.Int64Dtype()}.get) for name in large}
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame.assign(**exact)


def _beyond(column: Any) -> bool:
    reach = pc.min_max(column).as_py()
    return any(abs(end) > EXACT for end in reach.values() if end is not None)
