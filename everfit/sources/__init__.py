"""Where data comes from. A new kind is one file here and one line in the catalogue."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from everfit.errors import SourceError
from everfit.references import resolve
from everfit.sources.base import Secrets, Source, Widened, no_rows
from everfit.sources.csv import Csv
from everfit.sources.delta import Delta
from everfit.sources.files import Place, find, find_table
from everfit.sources.jsonl import JsonLines
from everfit.sources.parquet import Parquet
from everfit.sources.sql import Sql, behind_prefect, refuse_without_query
from everfit.sources.types import DOUBLE, NULL, join, widen
from everfit.spec import SqlSource

FILES: tuple[type[Csv | JsonLines | Parquet], ...] = (Csv, JsonLines, Parquet)
ENDINGS = tuple(suffix for kind in FILES for suffix in kind.suffixes)

__all__ = ["ENDINGS", "FILES", "Secrets", "Source", "Widened", "open_source", "readable_here", "sample"]


def open_source(where: str | SqlSource, *, base: Path, secrets: Secrets | None = None) -> list[Source]:
    """Return the batches that a file, folder, glob, Delta table, URI or query stands for: one Source per file, sorted.

    Relative paths start at `base`. A URI may hold ${NAME}s of the environment, and `secrets` resolves the names in
    prefect://secret/<name>. Raise SourceError, or Unavailable when a storage does not answer; a database is asked
    only when its rows are read.
    """
    if isinstance(where, SqlSource):
        return [Sql(where, base, secrets)]
    refuse_without_query(where)
    address = resolve(where) if "://" in where else where
    if table := find_table(address, base):
        return [Delta(table, address if "://" in address else table.path)]
    return [_open(place) for place in find(address, base, ENDINGS)]


def sample(where: str | SqlSource, *, base: Path, rows: int = 100_000, secrets: Secrets | None = None) -> pd.DataFrame:
    """Return the first rows as a frame in the lake's types, from as many files as it takes."""
    heads: list[pa.Table] = []
    for source in open_source(where, base=base, secrets=secrets):
        wanted = rows - sum(map(len, heads))
        if wanted <= 0:
            break
        heads.append(source.head(wanted))
    table = _together(heads)
    if not len(table):
        raise no_rows(str(where) if isinstance(where, str) else "The query")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def readable_here(where: str | SqlSource) -> bool:
    """Whether the source can be read without a Prefect server."""
    return not (isinstance(where, SqlSource) and behind_prefect(where))


def _open(place: Place) -> Source:
    for kind in FILES:
        if place.name.endswith(kind.suffixes):
            return kind(place)
    raise SourceError(
        f"{place.origin} is of a kind that cannot be read.", do=f"Save it as one of these: {', '.join(ENDINGS)}."
    )


def _together(heads: list[pa.Table]) -> pa.Table:
    """Put tables below each other, every column in the narrowest type that holds all of it."""
    types: dict[str, pa.DataType] = {}
    for head in heads:
        for field in head.schema:
            types[field.name] = join(types.get(field.name, NULL), field.type)
    schema = pa.schema([(name, DOUBLE if kind == NULL else kind) for name, kind in types.items()])
    parts = [
        pa.table(
            [widen(h[f.name], f.type) if f.name in h.column_names else pa.nulls(len(h), f.type) for f in schema],
            schema=schema,
        )
        for h in heads
    ]
    return pa.concat_tables(parts) if parts else pa.table({})
