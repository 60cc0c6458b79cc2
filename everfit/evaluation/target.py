"""What the target is, and whether a model can be learnt from it at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from everfit.errors import DataError, did_you_mean
from everfit.features import casts
from everfit.reserved import ANSWER
from everfit.spec import Data, TaskType

MOST_CLASSES = 100
FEW_NUMBERS = 10  # whole numbers with at most so many values, 0 or 1 upwards without a gap, are classes
ROWS_PER_CLASS = 20
FEWEST_ROWS = 10
MOST_UNREAD = 0.05  # share of times that may be unreadable


def infer_task(y: pd.Series, data: Data) -> TaskType:
    """Return what the model file says, else binary, multiclass or regression by what the target holds.

    Text is classes. Two values are binary, numbers too. Whole numbers that run 0, 1, 2 … or 1, 2, 3 … through at
    most ten values with twenty rows each are classes; all other numbers are a regression.
    """
    if data.task:
        return data.task
    present = y.dropna()
    levels = int(present.nunique())
    if types.is_bool_dtype(present.dtype) or levels <= 2:
        return "binary"
    if not _is_number(present):
        return "multiclass"
    values = present.to_numpy(dtype="float64")
    run = (
        np.all(np.isfinite(values))
        and np.all(values % 1 == 0)
        and values.min() in (0, 1)
        and values.max() - values.min() == levels - 1
    )
    few = levels <= FEW_NUMBERS and len(values) >= ROWS_PER_CLASS * levels
    return "multiclass" if run and few else "regression"


def check_target(frame: pd.DataFrame, data: Data) -> None:
    """Raise DataError when the columns that the model file names are not there, or nothing can be learnt."""
    _check_columns(frame, data)
    if data.time:
        _check_time(frame[data.time], data.time)
    y = frame[data.target].dropna()
    if y.empty:
        raise _unfit(data, f"is empty in all {len(frame):,} rows", "Give rows whose outcome is known.")
    if len(y) < FEWEST_ROWS:
        raise _unfit(data, f"is known in {len(y)} row(s), and {FEWEST_ROWS} are needed", "Give more rows.")
    if types.is_datetime64_any_dtype(y.dtype):
        raise _unfit(data, "holds timestamps", "Predict a number, such as the days until then.")
    task = infer_task(y, data)
    if not data.task and task == "multiclass":
        _check_words(y, data)
    if y.nunique() < 2:
        kind = "one value" if _is_number(y) and data.task in (None, "regression") else "one class"
        raise _unfit(data, f"holds only {kind}, {y.tolist()[0]!r}", "Give rows with other outcomes as well.")
    _check_regression(y, data) if task == "regression" else _check_classes(y, data, task)
    if data.weight:
        _check_weight(frame[data.weight], data.weight)


def _check_columns(frame: pd.DataFrame, data: Data) -> None:
    known = [str(name) for name in frame.columns]
    if ANSWER in known and ANSWER not in data.drop:
        raise DataError(
            f"The data have a column '{ANSWER}'.",
            why="A prediction is written under that name beside the row that it is about.",
            do="Rename it in the source, or list it in data.drop if it is one.",
        )
    named: dict[str, Iterable[str | None]] = {
        "target": [data.target], "time": [data.time], "group": [data.group], "weight": [data.weight],
        "ids": data.ids, "drop": data.drop, "roles": data.roles,
        "personal": data.personal,
    }  # fmt: skip
    gone = [(key, name) for key, names in named.items() for name in names if name and name not in known]
    lines = [f"data.{key}: there is no column '{name}'.{did_you_mean(name, known)}" for key, name in gone]
    if lines:
        raise DataError(
            f"The data have no column '{gone[0][1]}', which the model file names.{did_you_mean(gone[0][1], known)}",
            details=lines if len(lines) > 1 else (),
            do="Correct the name in the model file, or the source.",
        )


def _check_time(values: pd.Series, name: str) -> None:
    """Rows without a time are left out; when that is because it cannot be read, somebody should know."""
    kind, said = casts.kind_of(values), values.dropna()
    if kind in ("number", "timestamp"):
        return
    unread = said[casts.as_time(said, casts.date_format(said) if kind == "string" else "").isna()]
    if len(unread) > MOST_UNREAD * len(said):
        raise DataError(
            f"The time column '{name}' cannot be read as dates of one form in {len(unread):,} of {len(said):,} rows, "
            f"such as {unread.iloc[0]!r}.",
            why="A row without a time is neither learnt from nor judged by.",
            do="Write all of them as 2026-11-22 or 2026-11-22T15:00:00, or name another column in data.time.",
        )


def _check_regression(y: pd.Series, data: Data) -> None:
    if not _is_number(y):
        raise _unfit(
            data, f"holds text such as {y.iloc[0]!r}, and task says regression", "Leave data.task out, or clean it."
        )
    endless = int((~np.isfinite(y.to_numpy(dtype="float64"))).sum())
    if endless:
        raise _unfit(data, f"is infinite in {endless:,} row(s)", "Quarantine those rows by a rule, or correct them.")


def _check_words(y: pd.Series, data: Data) -> None:
    """Refuse numbers that stray words made text, as each would be a class; codes such as 007 are classes."""
    levels = pd.Series(y.unique()).astype(str)
    numbers = pd.to_numeric(levels, errors="coerce").notna()
    if len(levels) <= FEW_NUMBERS or numbers.mean() <= 0.5 or levels.str.match(r"0\d").any():
        return
    if words := levels[~numbers].tolist():
        do = "Leave what is no number empty in the source, or say data.task: multiclass."
        raise _unfit(data, f"holds numbers and words, {levels[numbers].iloc[0]} and {words[0]!r} among them", do)
    if len(levels) > MOST_CLASSES:
        raise _unfit(
            data, f"holds numbers that are text, such as {levels[0]!r}", "Write them as numbers in the source."
        )


def _check_classes(y: pd.Series, data: Data, task: TaskType) -> None:
    levels = int(y.nunique())
    if levels > MOST_CLASSES:
        do = "Say data.task: regression." if _is_number(y) else "Predict something coarser, or another column."
        such = f"{levels:,} different values such as {y.iloc[0]!r}"
        raise _unfit(data, f"has {such}, too many for classes (at most {MOST_CLASSES})", do)
    if task == "binary" and levels > 2:
        raise _unfit(data, f"has {levels} classes, and task says binary", "Leave data.task out, or say multiclass.")
    if _is_number(y) and not np.all(np.isfinite(y.to_numpy(dtype="float64"))):
        raise _unfit(data, "holds infinite values", "Correct those rows.")
    if len(same := _alike(y)) > 1:
        do = "Write one class in one way in the source, or give different classes names that differ in more."
        raise _unfit(data, f"has the classes {same[0]!r} and {same[1]!r}, which differ only in case", do)
    if data.positive is not None and positive_class(y, data) is None:
        hint = did_you_mean(str(data.positive), [str(value) for value in y.unique()])
        raise DataError(f"data.positive says {data.positive!r}, which '{data.target}' never is.{hint}")


def _alike(y: pd.Series) -> list[str]:
    """Return the first classes that are one class to Delta, whose columns of probabilities are named after them."""
    names = pd.Series(y.unique()).astype(str)
    lower = names.str.lower()
    return names[lower == lower[lower.duplicated()].min()].tolist()


def positive_class(y: pd.Series, data: Data) -> Any:
    """Return the class that the model file calls positive, as the data write it; None when it says or has none."""
    if data.positive is None:
        return None
    wanted = str(data.positive)
    return next((value for value in y.dropna().unique().tolist() if _same(value, wanted)), None)


def _same(value: Any, wanted: str) -> bool:
    whole = isinstance(value, float) and value.is_integer()
    return wanted in (str(value), str(int(value)) if whole else str(value))


def _check_weight(weight: pd.Series, name: str) -> None:
    if not _is_number(weight):
        raise DataError(f"The weight column '{name}' holds text.", do="Weights are numbers, zero or more.")
    values = weight.to_numpy(dtype="float64", na_value=np.nan)
    bad = int((~np.isfinite(values) | (values < 0)).sum())
    if bad or values.sum() <= 0:
        what = f"missing, infinite or negative in {bad:,} row(s)" if bad else "zero in every row"
        raise DataError(f"The weight column '{name}' is {what}.", do="Weights are numbers, zero or more.")


def _is_number(values: pd.Series) -> bool:
    return types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype)


def _unfit(data: Data, what: str, do: str) -> DataError:
    return DataError(f"The target '{data.target}' {what}.", why="No model can be learnt from that.", do=do)
