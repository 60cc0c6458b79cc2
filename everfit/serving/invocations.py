"""MLflow's scoring protocol, whose clients then work unchanged: every form of its JSON, and its CSV.

Its Parquet is not read: a small file of it can stand for any number of rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from itertools import islice
from typing import Any

from everfit.errors import first_line
from everfit.serving.contract import Columns
from everfit.serving.reading import Asked, Refused, ensure_some, json_of
from everfit.spec import Serve

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")


def from_mlflow(body: bytes, limits: Serve) -> Asked:
    """Return the records or columns of one of MLflow's forms; raise Refused for anything else.

    `params` may come and change nothing, as with MLflow for models that take none.
    """
    said = json_of(body)
    found = [name for name in FORMS if name in said] if isinstance(said, dict) else []
    if len(found) != 1:
        raise _bad(f"give one of {', '.join(FORMS)}, as MLflow describes them")
    if not isinstance(said.get("params"), dict | None):
        raise _bad("params must be an object")
    form, held = found[0], said[found[0]]
    if form == "dataframe_split":
        return _split(held, limits)
    if form in ("inputs", "instances") and isinstance(held, dict):
        return _by_column(held, limits)
    if not isinstance(held, list):
        raise _bad(f"{form} must be a list of records")
    ensure_some(len(held), limits)
    return held


def _split(held: Any, limits: Serve) -> Columns:
    """Return the columns of pandas' form `split`; the index may come and is not read."""
    names, rows = (held.get("columns"), held.get("data")) if isinstance(held, dict) else (None, None)
    if not isinstance(names, list) or not isinstance(rows, list):
        raise _bad("dataframe_split needs the lists columns and data")
    ensure_some(len(rows), limits)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise _bad("the columns of dataframe_split must be names, each once")
    if isinstance(index := held.get("index"), list) and len(index) != len(rows):
        raise _bad(f"dataframe_split has an index of {len(index)} and {len(rows)} rows")
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise _ragged(at, len(row) if isinstance(row, list) else 1, len(names))
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _by_column(held: Mapping[str, Any], limits: Serve) -> Asked:
    """Return columns of equal length, or the one record that an object without lists is."""
    if not any(isinstance(values, list) for values in held.values()):
        return [held]
    lengths = {len(values) if isinstance(values, list) else -1 for values in held.values()}
    if len(lengths) > 1:
        raise _bad("inputs by column must be lists of one length")
    ensure_some(max(lengths), limits)
    return held


def from_csv(body: bytes, limits: Serve) -> Columns:
    """Return the columns of a CSV file with a header; what is empty is missing. Raise Refused for any other text."""
    try:
        lines = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        names = next(lines, [])
        rows = list(islice(filter(None, lines), limits.max_rows + 1))  # blank lines are no rows
    except (ValueError, csv.Error) as cause:
        raise _bad(f"the body is no CSV: {first_line(cause)}") from cause
    ensure_some(len(rows), limits)
    if len(set(names)) < len(names):
        raise _bad("the header of a CSV file must name each column once")
    for at, row in enumerate(rows):
        if len(row) != len(names):
            raise _ragged(at, len(row), len(names))
    return {name: [row[at] or None for row in rows] for at, name in enumerate(names)}


def _ragged(at: int, found: int, wanted: int) -> Refused:
    return _bad(f"row {at} has {found} value(s), and there are {wanted} columns")


def _bad(what: str) -> Refused:
    return Refused(422, "bad body", what)
