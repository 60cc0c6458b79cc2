"""The only door to Evidently: its interactive report of the columns, with our own verdicts in it.

Evidently draws and lists; it does not judge. Its tests are replaced by one that looks our verdict up, so that the
report and the decision cannot disagree. It skips or stumbles over many kinds of columns, so each column is first
made one of two that it knows. Whatever still goes wrong leaves a sentence in place of the report, never an exception.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from everfit.errors import first_line
from everfit.monitor.counts import RARE, numbers, sample
from everfit.monitor.drift import MOVED
from everfit.monitor.moved import ColumnDrift, Drift
from everfit.reserved import PREDICTION
from everfit.schema import Kind
from everfit.spec import TaskType

os.environ.setdefault("DO_NOT_TRACK", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports names that numpy and pydantic have given up
    from evidently import BinaryClassification, DataDefinition, Dataset, MulticlassClassification, Regression, Report
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.metrics import ValueDrift
    from evidently.presets import ClassificationPreset, DataDriftPreset, RegressionPreset

MAX_ROWS = 20_000
MAX_LEVELS = 30
TEST = "everfit"
_registered = Lock()


def write_report(reference: pd.DataFrame, current: pd.DataFrame, drift: Drift, path: Path, *, seed: int = 0) -> str:
    """Write `path` (HTML, opens offline) and the JSON beside it, on at most 20,000 rows of each side.

    Shows what `drift` judged: the columns, and the predictions and the target where it has them. Return the file's
    name, or why there is none: the report is a picture of the verdict, and never a condition for it.
    """
    past, now = (sample(frame, MAX_ROWS, seed) for frame in (reference, current))
    shown = [column for column in _judged(drift) if _drawable(column, past, now)]
    if not shown:
        return "no column can be drawn: there is nothing to compare"
    return _written(path, lambda: _columns(past, now, drift, shown, path))


def write_performance(
    reference: pd.DataFrame, current: pd.DataFrame, target: str, task: TaskType, path: Path, *, seed: int = 0
) -> str:
    """Write `path` as `write_report` does, of predictions beside labels; return nothing where a side has not both."""
    pair = [target, PREDICTION]
    if any(name not in side for name in pair for side in (reference, current)):
        return ""
    past, now = (sample(side.dropna(subset=pair), MAX_ROWS, seed) for side in (reference, current))
    if past.empty or now.empty:
        return ""
    kinds: dict[str, Kind] = dict.fromkeys(pair, "number" if task == "regression" else "string")
    sides = _as_drawn(past, now, kinds)
    preset = RegressionPreset() if task == "regression" else ClassificationPreset()
    return _written(path, lambda: _save([preset], sides, kinds, path, **_roles(sides, task)))


def _roles(sides: list[pd.DataFrame], task: TaskType) -> dict[str, Any]:
    """Say which column is the truth; of two classes Evidently wants to know which one is meant."""
    target, predicted = sides[0].columns
    if task == "regression":
        return {"regression": [Regression(target=target, prediction=predicted)]}
    if task == "multiclass":
        return {"classification": [MulticlassClassification(target=target, prediction_labels=predicted)]}
    positive = max(label for side in sides for label in side[target])
    return {"classification": [BinaryClassification(target=target, prediction_labels=predicted, pos_label=positive)]}


def _written(path: Path, write: Callable[[], None]) -> str:
    """Return the file's name once it is written, or why it is not; what no disk explains is logged with its trace."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            write()
    except Exception as cause:
        why = f"Evidently failed: {type(cause).__name__}: {first_line(cause)}"
        logging.getLogger("everfit").warning("%s: %s", path.name, why, exc_info=not isinstance(cause, OSError))
        return why
    return path.name


def _columns(past: pd.DataFrame, now: pd.DataFrame, drift: Drift, shown: list[ColumnDrift], path: Path) -> None:
    verdicts = {column.column: column for column in shown}
    others = {column.column for column in (drift.prediction, drift.target) if column}
    inputs = [name for name in verdicts if name not in others]
    metrics: list[Any] = []
    if inputs:  # one moved column is what the finding calls input drift: Evidently's headline says the same
        metrics.append(DataDriftPreset(columns=inputs, method=TEST, threshold=MOVED, drift_share=0.99 / len(inputs)))
    metrics += [ValueDrift(column=name, method=TEST, threshold=MOVED) for name in verdicts if name in others]
    kinds = {name: column.kind for name, column in verdicts.items()}
    with _registered:
        register_stattest(_looks_up(), lambda before, *_: _verdict(verdicts[str(before.name)]))
        _save(metrics, _as_drawn(past, now, kinds), kinds, path)


def _save(metrics: list[Any], sides: list[pd.DataFrame], kinds: dict[str, Kind], path: Path, **roles: Any) -> None:
    """Run a report of the reference (first side) and the current rows, and write it as HTML and JSON."""
    definition = DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind == "number"],
        categorical_columns=[name for name, kind in kinds.items() if kind != "number"],
        **roles,
    )
    past, now = (Dataset.from_pandas(side, data_definition=definition) for side in sides)
    snapshot = Report(metrics, include_tests=True).run(current_data=now, reference_data=past)
    path.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save_html(str(path))
    path.with_suffix(".json").write_text(snapshot.json(), encoding="utf-8")


def _looks_up() -> StatTest:
    return StatTest(
        name=TEST,
        display_name="share of rows that moved (everfit)",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
        default_threshold=MOVED,
    )


def _verdict(column: ColumnDrift) -> tuple[float, bool]:
    return column.effect, column.drifted


def _judged(drift: Drift) -> Iterable[ColumnDrift]:
    others = [column for column in (drift.prediction, drift.target) if column]
    return [*others, *sorted(drift.columns, key=lambda column: -column.effect)]


def _drawable(column: ColumnDrift, past: pd.DataFrame, now: pd.DataFrame) -> bool:
    """Leave out what Evidently cannot draw: times, and columns that are missing, changed or empty on either side."""
    if not column.judged or column.kind == "timestamp" or not column.labels:
        return False
    return all(column.column in side and bool(side[column.column].notna().any()) for side in (past, now))


def _as_drawn(past: pd.DataFrame, now: pd.DataFrame, kinds: dict[str, Kind]) -> list[pd.DataFrame]:
    pairs = {name: _pair(past[name], now[name], kind) for name, kind in kinds.items()}
    return [pd.DataFrame({name: pair[side] for name, pair in pairs.items()}) for side in (0, 1)]


def _pair(past: pd.Series, now: pd.Series, kind: Kind) -> tuple[pd.Series, pd.Series]:
    """Give both sides of a column one dtype that Evidently knows: finite floats, or text of a few levels."""
    if kind == "number":
        return _finite(past), _finite(now)
    levels = past.dropna().astype(str).value_counts().index[:MAX_LEVELS]
    return _few(past, levels), _few(now, levels)


def _finite(column: pd.Series) -> pd.Series:
    values = pd.Series(numbers(column), dtype="float64")
    return values.where(np.isfinite(values))


def _few(column: pd.Series, levels: pd.Index[Any]) -> pd.Series:
    values = column.astype(object).where(column.notna(), None).reset_index(drop=True)
    texts = values.map(str, na_action="ignore")
    return texts.where(texts.isin(levels) | texts.isna(), RARE).astype(object)
