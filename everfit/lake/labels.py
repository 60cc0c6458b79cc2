"""Labels that come alone, later than their rows: kept by the rows' ids, and joined whenever rows are read.

The later word wins. A place that says what it said before says nothing new, so that a file which still holds an
old mistake does not undo its correction each time that it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from everfit.errors import DataError, InputError, did_you_mean
from everfit.lake.keys import canonical, keys_of
from everfit.lake.records import Change
from everfit.lake.state import FROM, State
from everfit.lake.table import Table
from everfit.reserved import BATCH, ID, KEY, ORDER, ORIGIN, PREDICTION_ID, ROW
from everfit.schema import Kind
from everfit.sources.types import INT, STRING, to_lake
from everfit.spec import Data

TRUTH = {"true": True, "1": True, "false": False, "0": False}


def read(frame: pd.DataFrame, data: Data, kind: Kind, origin: str) -> pd.DataFrame:
    """Return the labels that a file holds, as `_key` and target; rows without a label or an id are left out.

    A row's id is that of the answer that a service gave (`prediction_id`), or else the ids that the model file names.
    Raise InputError or DataError when the file has no ids, no target, or another kind of target than `kind`.
    """
    ids = () if PREDICTION_ID in frame else data.ids
    for role, name in (("target", data.target), *(("ids", name) for name in ids)):
        if name not in frame:
            raise InputError(
                f"{origin} has no column '{name}', which data.{role} of the model file names."
                f"{did_you_mean(name, map(str, frame.columns))}",
                why=f"Labels find their rows by the ids, or by the '{PREDICTION_ID}' of an answer, and nothing else.",
                do="Add the column to the file of labels. Nothing of it was taken in.",
            )
    keys = keys_in(frame, data)
    known = frame[data.target].notna() & keys.notna()
    said = pd.DataFrame({KEY: keys[known], data.target: _in_kind(frame[data.target][known], kind, origin)})
    return said.drop_duplicates(KEY, keep="last", ignore_index=True)


def keys_in(frame: pd.DataFrame, data: Data) -> pd.Series:
    """Return the ids that a file of labels names; null where it names none."""
    alone = pd.Series(pd.NA, index=frame.index, dtype="str")
    if data.ids and all(name in frame for name in data.ids):
        dated = data.time in frame and data.time not in data.ids
        alone = keys_of(frame, [*data.ids, data.time] if data.time and dated else data.ids)
    return canonical(frame[PREDICTION_ID]).fillna(alone) if PREDICTION_ID in frame else alone


def _in_kind(values: pd.Series, kind: Kind, origin: str) -> pd.Series:
    """Read labels as the kind that the champion's target has; raise DataError when one cannot be."""
    texts = canonical(values)
    if kind == "string":
        return texts
    if kind == "boolean":
        read = texts.str.lower().map(TRUTH)
    else:
        read = pd.to_numeric(texts.replace({"true": "1", "false": "0"}), errors="coerce")
        read = read.where(np.isfinite(read.to_numpy(dtype="float64", na_value=np.nan)))
    if wrong := texts[read.isna()].tolist():
        raise DataError(
            f"{origin}: {len(wrong):,} label(s) in '{values.name}' are no {kind}, such as {wrong[0]!r}.",
            why=f"The champion's target is a {kind}. Nothing of the file was taken in.",
            do="Correct the labels; leave those empty that are not known.",
        )
    return read.astype("bool") if kind == "boolean" else read


def record(table: Table, said: pd.DataFrame, origin: str) -> int:
    """Keep what a place says now; return how many labels that changes. The same again changes nothing."""
    target = str(said.columns[1])
    digest = _digest_of(said, origin)
    kind = to_lake(pa.array(said[target]), target).type
    schema = pa.schema([(KEY, STRING), (target, kind), (ORIGIN, STRING), (ORDER, INT), (ROW, INT)])
    news: list[int] = []

    def decide(state: State) -> Change | None:
        last = state.mark(FROM + origin)
        news[:] = [0]
        if last and state.facts(last)["said"] == digest:
            return None
        new = said[_is_news(said, _every(state), origin)]
        news[:] = [len(new)]
        ours: dict[str, Any] = {ORIGIN: origin, ORDER: state.version + 1, ROW: np.arange(len(new))}
        rows = pa.Table.from_pandas(new.assign(**ours)[schema.names], schema=schema, preserve_index=False)
        marks, facts = {FROM + origin: state.version + 1}, {"said": digest, "origin": origin, "labels": len(new)}
        return Change(digest, schema, rows.to_batches if len(new) else None, marks=marks, facts=facts)

    if len(said):
        table.commit(schema, decide)
    return sum(news)


def _is_news(said: pd.DataFrame, every: pd.DataFrame, origin: str) -> np.ndarray:
    """Say which labels differ from the latest ones, and from what the same place said last."""
    keys, target = said.columns
    now, news = said[target].to_numpy(dtype=object), np.ones(len(said), dtype=bool)
    if every.empty:
        return news
    for known in (every, every[every[ORIGIN] == origin]):
        latest = known.drop_duplicates(KEY, keep="last")
        at = pd.Index(latest[KEY]).get_indexer(said[keys])
        before = latest[target].to_numpy(dtype=object)
        news[at >= 0] &= now[at >= 0] != before[at[at >= 0]]
    return news


def _digest_of(said: pd.DataFrame, origin: str) -> str:
    text = "\n".join([origin, *sorted(said[said.columns[0]] + "\x1e" + canonical(said[said.columns[1]]))])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def latest(state: State | None, *, history: bool = False) -> pd.DataFrame:
    """Return the latest label of every key, or with `history` all that ever came, oldest first."""
    if state is None:
        return pd.DataFrame(columns=[KEY, ORIGIN, ORDER])
    every = _every(state).drop(columns=[BATCH, ROW])
    return every if history else last_words(every)


def last_words(every: pd.DataFrame) -> pd.DataFrame:
    """Return the latest of labels that came one after the other."""
    return every.drop_duplicates(KEY, keep="last", ignore_index=True)


def _every(state: State) -> pd.DataFrame:
    frame: pd.DataFrame = state.dataset().to_table().to_pandas()
    return frame.sort_values([ORDER, ROW], kind="stable", ignore_index=True)


def complete(frame: pd.DataFrame, labels: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Fill in, and correct, the target of rows whose label is known by now; every row of an id gets it.

    A label that came alone wins over what its row says, whichever came later.
    """
    at = matches(frame, labels, data)
    if not (at >= 0).any():
        return frame
    own = frame[data.target] if data.target in frame else pd.Series(np.nan, index=frame.index, dtype=object)
    said = pd.Series(labels[data.target].to_numpy(dtype=object)[at], index=frame.index)
    whole = own.astype(object).where(at < 0, said).infer_objects()
    texts = whole.dtype == object and isinstance(whole.dropna().iloc[0], str)
    return frame.assign(**{data.target: whole.astype("str") if texts else whole})


def matches(frame: pd.DataFrame, labels: pd.DataFrame, data: Data) -> np.ndarray:
    """Return for each row the position of its label, or -1. A label with a time is about that time only."""
    at = np.full(len(frame), -1)
    if labels.empty or frame.empty:
        return at
    index, order = pd.Index(labels[KEY]), labels[ORDER].to_numpy()
    for names in key_columns(frame, data):
        other = index.get_indexer(keys_of(frame, names))
        at = np.where((other >= 0) & ((at < 0) | (order[other] > order[at])), other, at)
    return at


def names_of(data: Data) -> set[str]:
    """Return the columns of rows that labels may be about, and that in which a row says its own."""
    return {name for name in (*data.ids, data.time, data.target, ID) if name}


def had(said: pd.DataFrame, rows: pd.DataFrame, earlier: pd.DataFrame, data: Data) -> np.ndarray:
    """Return what was known before of what each label is about, None where nothing was.

    That is what an earlier label says, or else the row itself.
    """
    known, at = np.full(len(said), None, dtype=object), matches(rows, said, data)
    own = rows[data.target].astype(object) if data.target in rows else pd.Series(None, rows.index, dtype=object)
    told = (at >= 0) & own.notna().to_numpy()
    known[at[told]] = own.to_numpy()[told]
    if len(earlier):
        at = pd.Index(said[KEY]).get_indexer(earlier[KEY])
        known[at[at >= 0]] = earlier[data.target].to_numpy(dtype=object)[at >= 0]
    return known


def key_columns(frame: pd.DataFrame, data: Data) -> list[Sequence[str]]:
    """Return the columns by which labels may name these rows: the ids, these with the time, the id of an answer."""
    answered: list[Sequence[str]] = [[ID]] if ID in frame else []
    if not data.ids or any(name not in frame for name in data.ids):
        return answered
    dated = data.time is not None and data.time in frame and data.time not in data.ids
    return [data.ids, *([[*data.ids, data.time]] if data.time and dated else []), *answered]


def first_words(frame: pd.DataFrame, data: Data) -> np.ndarray:
    """Say which rows stay: of rows that a service was asked about none that came in otherwise, or is asked about again.

    Such are the same row twice, and with its label would be learnt from twice. Where rows have a time, those of another
    time are other rows; one that was asked without is of the time when it was asked, whatever time a file will give it.
    """
    asked = frame[ID].notna() if ID in frame else pd.Series(False, index=frame.index)
    columns = [names for names in key_columns(frame, data) if names != [ID]]
    if not asked.any() or not columns:
        return np.ones(len(frame), dtype=bool)
    keys = keys_of(frame, columns[-1])
    again = keys.isin(keys[~asked]) | keys.where(asked).duplicated(keep="last")
    return np.asarray(~(asked & keys.notna() & again))
