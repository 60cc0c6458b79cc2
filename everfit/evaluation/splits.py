"""Which rows prove that a model is good: the same ones tomorrow, and none that the search ever sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import pandas as pd

from everfit.errors import DataError, SpecError
from everfit.evaluation.rows import column_hashes, hash_of, row_hashes
from everfit.evaluation.target import FEWEST_ROWS, infer_task
from everfit.features import casts
from everfit.lake.keys import keys_of
from everfit.spec import ModelSpec, write_duration

How = Literal["time", "group", "time and group", "rows"]


@dataclass(frozen=True)
class Split:
    """Positions of the rows to learn from and of those that judge; rows that can be neither are `left_out`.

    Left out are rows without a target or, with a time column, without a time or, with a label delay, whose label was
    not known yet when the judged time began; with both a time and a group column the earlier rows of groups that judge.
    """

    train: np.ndarray
    test: np.ndarray
    rows_hash: str
    how: How
    left_out: int = 0


def split(frame: pd.DataFrame, spec: ModelSpec) -> Split:
    """Part the rows by time, by group, or by what they hold; raise DataError when a side would be empty.

    With a time column the last share (or period) judges, and equal times stay together. Otherwise each row
    (or group) falls by a hash of its content, so it is on the same side again when the data grow, and equal
    rows stay together. Of each class the share with the smallest hashes judges; as a class grows, the few rows
    beside that cut may change sides.
    """
    data, usable = spec.data, frame[spec.data.target].notna().to_numpy()
    if data.time:
        when = times_of(frame[data.time])
        test, usable = _by_time(when, usable, spec, frame[data.time]), usable & ~np.isnan(when)
        train = _known_before(when, test & usable, spec, frame[data.time])
    else:
        test = _by_hash(frame, usable, spec)
        train = ~test
    if data.time and data.group:
        judging = set(frame[data.group][test & usable].dropna())
        train = train & ~frame[data.group].isin(judging).to_numpy()
    sides = np.flatnonzero(train & usable), np.flatnonzero(test & usable)
    _check_sides(*sides, spec)
    how: How = ("time and group" if data.group else "time") if data.time else "group" if data.group else "rows"
    rows = hash_of(row_hashes(frame.iloc[sides[1]]))
    return Split(*sides, rows_hash=rows, how=how, left_out=len(frame) - len(sides[0]) - len(sides[1]))


def times_of(column: pd.Series, form: str = "") -> np.ndarray:
    """Return times as float64, in microseconds or in the column's own unit; NaN where there is none.

    Text is read in `form`; without one, in that which fits this column, and another part of the same data may fit
    another: 03/04/2024 is in March or in April.
    """
    kind = casts.kind_of(column)
    if kind == "number":
        return casts.as_number(column).to_numpy()
    form = form or (casts.date_format(column) if kind == "string" else "")
    stamps = casts.as_time(column, form).to_numpy("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64"))


def gap_of(spec: ModelSpec) -> float:
    """Return the label delay in microseconds, the unit of `times_of`: later rows judge earlier ones after this gap."""
    delay = spec.data.label_delay
    return delay / timedelta(microseconds=1) if delay else 0.0


def _by_time(when: np.ndarray, usable: np.ndarray, spec: ModelSpec, column: pd.Series) -> np.ndarray:
    holdout = spec.evaluation.holdout
    known = np.sort(when[usable & ~np.isnan(when)])
    if not len(known):
        raise DataError(f"The time column '{column.name}' holds no time that can be read.", do="Correct data.time.")
    if not isinstance(holdout, timedelta):
        second = np.min(known[known > known[0]], initial=np.inf)  # the first time is always learnt from
        return np.asarray(when >= max(second, known[min(len(known) - 1, int(len(known) * (1 - holdout)))]))
    _must_be_dates(column, "evaluation.holdout", "give a share such as 0.2")
    return np.asarray(when > known[-1] - holdout / timedelta(microseconds=1))


def _known_before(when: np.ndarray, test: np.ndarray, spec: ModelSpec, column: pd.Series) -> np.ndarray:
    """Return the rows whose label was known when the judged time began (purging, de Prado 2018, chapter 7).

    Without the gap a model would be judged as if it had learnt, on its first day, from labels still to come.
    """
    began = np.min(when[test], initial=np.inf)
    earlier: np.ndarray = ~test & (when < began)
    if not spec.data.label_delay:
        return earlier
    _must_be_dates(column, "data.label_delay", "leave it out")
    known: np.ndarray = earlier & (when <= began - gap_of(spec))
    left, before = int(known.sum()), int(earlier.sum())
    if left < FEWEST_ROWS <= before:
        raise DataError(
            f"Of {before:,} rows before the judged ones, {left:,} had their label by then; {FEWEST_ROWS} are needed.",
            why=f"data.label_delay says that a label is known {write_duration(spec.data.label_delay)} after its row.",
            do="Give earlier rows, or lower evaluation.holdout or data.label_delay.",
        )
    return known


def _must_be_dates(column: pd.Series, key: str, otherwise: str) -> None:
    if casts.kind_of(column) == "number":
        raise SpecError(f"{key} is a period, and '{column.name}' holds numbers; {otherwise}.")


def _by_hash(frame: pd.DataFrame, usable: np.ndarray, spec: ModelSpec) -> np.ndarray:
    if isinstance(spec.evaluation.holdout, timedelta):
        raise SpecError("evaluation.holdout is a period, which needs data.time; give a share such as 0.2.")
    units = row_hashes(frame)
    if spec.data.ids:  # a label that is corrected must not move its row to the other side
        ids = keys_of(frame, spec.data.ids)
        units = np.where(ids.isna(), units, column_hashes(ids))
    if spec.data.group:
        group = frame[spec.data.group]
        units = np.where(group.isna(), units, column_hashes(group))
    classes = _classes(frame[spec.data.target], usable, spec)
    test = units / 2.0**64 < spec.evaluation.holdout
    for members in classes:
        test[members] = _smallest(units[members], spec.evaluation.holdout)
    # rows of one id may be of several classes
    test = pd.Series(test | ~usable).groupby(units).transform("all").to_numpy(copy=True)
    for members in classes or [usable]:
        _on_both_sides(test, units, members)
    return test


def _classes(y: pd.Series, usable: np.ndarray, spec: ModelSpec) -> list[np.ndarray]:
    """Return the rows of each class; none where there are no classes, or groups, which could disagree with them."""
    if spec.data.group or infer_task(y, spec.data) == "regression":
        return []
    return [usable & (y == label).to_numpy() for label in y.dropna().unique()]


def _smallest(mine: np.ndarray, share: float) -> np.ndarray:
    """Return which of a class's hashes are its share of smallest; one cut for all would leave small classes to chance.

    Equal rows stay together, so that it is the nearest that they allow.
    """
    count = min(len(mine) - 1, max(1, round(len(mine) * share)))
    cut = np.partition(mine, count)[count]
    below: np.ndarray = mine < cut
    upto: np.ndarray = mine <= cut
    return below if count - below.sum() <= upto.sum() - count else upto


def _on_both_sides(test: np.ndarray, units: np.ndarray, members: np.ndarray) -> None:
    """Let a small class be on both sides where chance left it on one; in place."""
    mine = units[members]
    if len(mine) == 0:
        return
    if mine.min() == mine.max():
        test[units == mine[0]] = False  # one row alone can only be learnt from
    elif not test[members].any():
        test[units == mine.min()] = True
    elif test[members].all():
        test[units == mine.max()] = False


def _check_sides(train: np.ndarray, test: np.ndarray, spec: ModelSpec) -> None:
    if len(train) and len(test):
        return
    side = "learn from" if not len(train) else "judge by"
    by = f"time column '{spec.data.time}'" if spec.data.time else f"group column '{spec.data.group}'"
    raise DataError(
        f"The split by the {by} leaves no row to {side}.",
        why=f"It holds out {spec.evaluation.holdout}, and rows of one time or group stay together.",
        do="Change evaluation.holdout, or give more data.",
    )
