"""From the journal into the lake: every answer once, whatever crashes in between."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from everfit.errors import DataError, first_line
from everfit.features import casts
from everfit.files import replacing
from everfit.lake import Lake
from everfit.lake.answers import Part, kept_as
from everfit.lake.predictions import to_table
from everfit.ledger import Ledger
from everfit.locks import locked
from everfit.reserved import ANSWER, ASKED_AT, AT, LATENCY, PREDICTION_ID, SHARE, SOURCE, VERSION
from everfit.serving.closed import Closed, closed
from everfit.serving.journal import ENDING
from everfit.settings import Settings
from everfit.sources.types import BOOL, DOUBLE, INT, MOMENT, STRING
from everfit.spec import ModelSpec

ASIDE = "aside"
KNOWN = ("id", "at", "ms", "version", "source", "prediction", "probabilities", "fields")
LARGE = 2**63
AT_ONCE = 64 * 2**20  # bytes of the files that are handed over in one append


def drain(settings: Settings, spec: ModelSpec, folder: Path) -> int:
    """Hand over what nobody writes to any more, and remove it; return how many answers that were.

    What cannot be read is set aside, with an alert in the ledger, and holds back nothing. Raise InputError or
    Unavailable when the lake cannot be written: then everything waits where it is.
    """
    if not folder.is_dir():
        return 0
    lake, total = Lake(settings), 0
    with locked(folder / ".drain"):
        known = lake.types(spec.name)
        for files in _at_once(closed(folder)):
            read = [(file, _readable(settings, spec, file, known)) for file in files]
            parts = [Part(file.writer, file.number, rows) for file, rows in read if rows is not None]
            if parts:
                lake.record_answers(spec.name, parts)
            os.sync()  # the journal's copy is on disk, and the lake's perhaps only in memory
            for file in files:
                file.path.unlink()
            total += sum(len(part.rows) for part in parts)
    return total


def _at_once(files: Iterable[Closed]) -> Iterator[list[Closed]]:
    """Yield files that fit into memory together: after days without the lake there may be many."""
    some, size = list[Closed](), 0
    for file in files:
        some.append(file)
        size += file.path.stat().st_size
        if size >= AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _readable(settings: Settings, spec: ModelSpec, file: Closed, known: pa.Schema) -> pa.Table | None:
    """Return the rows of a file, having set aside what is none; None when there are none."""
    if file.broken:
        _set_aside(settings, spec, file.path, b"\n".join(file.broken), f"{len(file.broken)} line(s) are no answers")
    try:
        return rows_of(file.entries, known) if file.entries else None
    except (DataError, pa.ArrowException, TypeError, ValueError, AttributeError) as cause:
        _set_aside(settings, spec, file.path, file.path.read_bytes(), first_line(cause))
        return None


def _set_aside(settings: Settings, spec: ModelSpec, path: Path, held: bytes, why: str) -> None:
    """Keep what nobody can read beside the journal, and say so once."""
    aside = path.parent / ASIDE / f"{path.stem}.aside{ENDING}"  # put back by this name it is a writer's of its own
    with replacing(aside) as half:
        half.write_bytes(held)
    logging.getLogger("everfit").error("%s: answers were set aside in %s: %s", spec.name, aside, why)
    facts = {"file": str(aside)}
    Ledger.of(settings).once("answers_set_aside", spec.name, path.stem, actor=settings.actor, reason=why, facts=facts)


def rows_of(entries: Sequence[dict[str, Any]], known: pa.Schema) -> pa.Table:
    """Return answers as rows: the fields that they were asked with, what was said, and the circumstances.

    Fields get the types that the model's data have in the lake, `known`, where their values fit.
    """
    asked_at = casts.cast(pd.Series([entry["at"] for entry in entries]), "timestamp")
    said = {
        PREDICTION_ID: [entry["id"] for entry in entries],
        ASKED_AT: asked_at,
        AT: asked_at,
        LATENCY: [float(entry.get("ms", "nan")) for entry in entries],
        SOURCE: [str(entry.get("source", "")) for entry in entries],
        VERSION: [int(entry["version"]) for entry in entries],
        ANSWER: _plain([entry.get("prediction") for entry in entries]),
    }
    shares = {f"{SHARE}{name}" for entry in entries for name in entry.get("probabilities") or {}}
    for name in sorted(shares):
        label = name.removeprefix(SHARE)
        said[name] = [(entry.get("probabilities") or {}).get(label) for entry in entries]
    for name in _names(entry.keys() - set(KNOWN) for entry in entries):
        said[name] = _plain([entry.get(name) for entry in entries])
    types = dict(zip(known.names, known.types, strict=True))
    for name in _names(entry["fields"] for entry in entries):
        values = [entry["fields"].get(name) for entry in entries]
        said[kept_as(name)] = _typed(values, types.get(name))
    return to_table(pd.DataFrame(said))


def _names(keys: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for each in keys for name in sorted(each)))


def _typed(values: list[Any], kind: pa.DataType | None) -> pd.Series:
    """Return values in a type of the lake, or plainly where they do not fit."""
    given = [value for value in values if value is not None]
    if kind == MOMENT:
        return casts.cast(pd.Series(values, dtype=object), "timestamp")
    numbers = all(isinstance(value, int | float) for value in given)
    if kind == INT and numbers and all(value == int(value) and abs(value) < LARGE for value in given if _real(value)):
        return pd.Series([int(v) if v is not None and _real(v) else None for v in values], dtype="Int64")
    if kind in (INT, DOUBLE) and numbers:
        return pd.Series(values, dtype="float64")
    if kind == BOOL and all(value in (0, 1) for value in given):
        return pd.Series([None if value is None else bool(value) for value in values], dtype="boolean")
    return _plain(values, text=kind == STRING)


def _real(value: float) -> bool:
    return abs(value) < float("inf")


def _plain(values: list[Any], *, text: bool = False) -> pd.Series:
    """Return values of one kind, as text where they are of several."""
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float} and not text:
        large = any(abs(value) >= LARGE for value in values if isinstance(value, int))
        return pd.Series(values, dtype="float64" if large or float in kinds else "Int64")
    if kinds == {bool} and not text:
        return pd.Series(values, dtype="boolean")
    written = [value if value is None or isinstance(value, str) else str(value) for value in values]
    return pd.Series([v if v is None else v.encode("utf-8", "replace").decode() for v in written], dtype="str")
