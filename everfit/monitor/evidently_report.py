"""The only door to Evidently: its interactive report of the columns, with our own verdicts in it.

Evidently draws and lists; it does not judge. Its tests are replaced by one that looks our verdict up, so that the
report and the decision cannot disagree. It skips or stumbles over many kinds of columns, so each column is first
made one of two that it knows. Whatever still goes wrong leaves a summary that says `degraded`, never an exception.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from everfit.errors import first_line
from everfit.monitor.counts import RARE, numbers, sample
from everfit.monitor.drift import MOVED
from everfit.monitor.findings import Record
from everfit.monitor.moved import ColumnDrift, Drift
from everfit.monitor.reference import PREDICTION
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
T = TypeVar("T")


@dataclass(frozen=True)
class EvidentlySummary(Record):
    """What came of the report: where it is, what it shows and leaves out, or why there is none."""

    html: str = ""
    json: str = ""
    performance: str = ""
    rows: int = 0
    columns: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    degraded: str = ""


def write_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    drift: Drift,
    path: Path,
    *,
    target: str | None = None,
    task: TaskType | None = None,
    seed: int = 0,
) -> EvidentlySummary:
    """Write `path` (HTML, opens offline) and the JSON beside it, on at most 20,000 rows of each side.

    Shows what `drift` judged: the columns, and the predictions and the target where it has them. With a target and a
    task, `<path>-performance.html` compares predictions with labels. Never raises: a failure of Evidently or of the
    disk is a summary with `degraded`, and the verdict stands without the report.
    """
    past, now = (sample(frame, MAX_ROWS, seed) for frame in (reference, current))
    shown = [column for column in _judged(drift) if _drawable(column, past, now)]
    left_out = tuple(column.column for column in _judged(drift) if column not in shown)
    names = tuple(column.column for column in shown)
    if not shown:
        return EvidentlySummary(left_out=left_out, degraded="no column can be drawn: there is nothing to compare")
    written = _guarded(lambda: _columns(past, now, drift, shown, path))
    if isinstance(written, Failure):
        return EvidentlySummary(rows=len(now), left_out=left_out, degraded=f"Evidently failed: {written.why}")
    performance = _guarded(lambda: _performance(past, now, target, task, path) if target and task else "")
    if isinstance(performance, Failure):
        left_out, performance = (*left_out, f"performance: {performance.why}"), ""
    return EvidentlySummary(str(path), str(written), performance, len(now), names, left_out)


@dataclass(frozen=True)
class Failure:
    """Why a part of the report could not be made."""

    why: str


def _guarded(make: Callable[[], T]) -> T | Failure:
    """Make a part of the report; the report is a picture of the verdict, and never a condition for it."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return make()
    except Exception as cause:  # noqa: BLE001  see above
        return Failure(f"{type(cause).__name__}: {first_line(cause)}")


def _columns(past: pd.DataFrame, now: pd.DataFrame, drift: Drift, shown: list[ColumnDrift], path: Path) -> Path:
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
        return _save(metrics, _as_drawn(past, now, kinds), kinds, path)


def _performance(past: pd.DataFrame, now: pd.DataFrame, target: str, task: TaskType, path: Path) -> str:
    """Compare predictions with labels on both sides; give the file's name, or nothing without rows that have both."""
    pair = [target, PREDICTION]
    if any(name not in side for name in pair for side in (past, now)):
        return ""
    past, now = past.dropna(subset=pair), now.dropna(subset=pair)
    if past.empty or now.empty:
        return ""
    number = task == "regression"
    kinds: dict[str, Kind] = dict.fromkeys(pair, "number" if number else "string")
    sides = _as_drawn(past, now, kinds)
    beside = path.with_name(f"{path.stem}-performance.html")
    _save([RegressionPreset() if number else ClassificationPreset()], sides, kinds, beside, **_roles(sides, task))
    return str(beside)


def _roles(sides: list[pd.DataFrame], task: TaskType) -> dict[str, Any]:
    """Say which column is the truth; of two classes Evidently wants to know which one is meant."""
    target, predicted = sides[0].columns
    if task == "regression":
        return {"regression": [Regression(target=target, prediction=predicted)]}
    if task == "multiclass":
        return {"classification": [MulticlassClassification(target=target, prediction_labels=predicted)]}
    positive = max(label for side in sides for label in side[target])
    return {"classification": [BinaryClassification(target=target, prediction_labels=predicted, pos_label=positive)]}


def _save(metrics: list[Any], sides: list[pd.DataFrame], kinds: dict[str, Kind], path: Path, **roles: Any) -> Path:
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
    beside = path.with_suffix(".json")
    beside.write_text(snapshot.json(), encoding="utf-8")
    return beside


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
    return [*others, *sorted(drift.columns, key=lambda column: -column.weight)]


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
