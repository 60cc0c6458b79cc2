"""The only door to Evidently: its interactive report of the columns, with our own verdicts in it.

Evidently draws and lists; it does not judge. Its tests are replaced by one that looks our verdict up, so that the
report and the decision cannot disagree. It skips or stumbles over many kinds of columns, so each column is first
made one of two that it knows. Whatever still goes wrong leaves a summary that says `degraded`, never an exception.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "1")

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset

from everfit.errors import first_line
from everfit.monitor.counts import RARE, numbers
from everfit.monitor.drift import MOVED, ColumnDrift, Drift
from everfit.monitor.findings import Record
from everfit.schema import Kind

MAX_ROWS = 20_000
MAX_LEVELS = 30
TEST = "everfit"
_registered = Lock()


@dataclass(frozen=True)
class EvidentlySummary(Record):
    """What came of the report: where it is, what it shows and leaves out, or why there is none."""

    html: str = ""
    json: str = ""
    rows: int = 0
    columns: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    degraded: str = ""


def write_report(
    reference: pd.DataFrame, current: pd.DataFrame, drift: Drift, path: Path, *, seed: int = 0
) -> EvidentlySummary:
    """Write `path` (HTML, opens offline) and the JSON beside it, on at most 20,000 rows of each side.

    Shows what `drift` judged: the columns, and the predictions and the target where it has them. Never raises: a
    failure of Evidently or of the disk is a summary with `degraded`, and the verdict stands without the report.
    """
    past, now = (_sample(frame, seed) for frame in (reference, current))
    shown = [column for column in _judged(drift) if _drawable(column, past, now)]
    left_out = tuple(column.column for column in _judged(drift) if column not in shown)
    if not shown:
        return EvidentlySummary(left_out=left_out, degraded="no column can be drawn: there is nothing to compare")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            written = _run(past, now, drift, shown, path)
    except Exception as cause:  # noqa: BLE001  the report is a picture of the verdict, never a condition for it
        why = f"Evidently failed: {type(cause).__name__}: {first_line(cause)}"
        return EvidentlySummary(rows=len(now), left_out=left_out, degraded=why)
    names = tuple(column.column for column in shown)
    return EvidentlySummary(str(path), str(written), len(now), names, left_out)


def _run(past: pd.DataFrame, now: pd.DataFrame, drift: Drift, shown: list[ColumnDrift], path: Path) -> Path:
    verdicts = {column.column: column for column in shown}
    definition = DataDefinition(
        numerical_columns=[c.column for c in shown if c.kind == "number"],
        categorical_columns=[c.column for c in shown if c.kind != "number"],
    )
    others = {column.column for column in (drift.prediction, drift.target) if column}
    inputs = [name for name in verdicts if name not in others]
    metrics: list[Any] = [DataDriftPreset(columns=inputs, method=TEST, threshold=MOVED)] if inputs else []
    metrics += [ValueDrift(column=name, method=TEST, threshold=MOVED) for name in verdicts if name in others]
    sides = [
        Dataset.from_pandas(frame, data_definition=definition)
        for frame in _as_drawn(past[list(verdicts)], now[list(verdicts)], shown)
    ]
    with _registered:
        register_stattest(_looks_up(), lambda before, *_: _verdict(verdicts[str(before.name)]))
        snapshot = Report(metrics, include_tests=True).run(current_data=sides[1], reference_data=sides[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save_html(str(path))
    beside = path.with_suffix(".json")
    beside.write_text(snapshot.json(), encoding="utf-8")
    return beside


def _looks_up() -> StatTest:
    return StatTest(
        name=TEST,
        display_name="everfit: share of rows that moved (chi-square, Holm over all columns)",
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
    return bool(past[column.column].notna().any() and now[column.column].notna().any())


def _as_drawn(past: pd.DataFrame, now: pd.DataFrame, shown: list[ColumnDrift]) -> tuple[pd.DataFrame, pd.DataFrame]:
    kinds: list[tuple[str, Kind]] = [(column.column, column.kind) for column in shown]
    pairs = {name: _pair(past[name], now[name], kind) for name, kind in kinds}
    return tuple(pd.DataFrame({name: pair[side] for name, pair in pairs.items()}) for side in (0, 1))  # type: ignore[return-value]


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


def _sample(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    if len(frame) <= MAX_ROWS:
        return frame
    return frame.iloc[np.sort(np.random.default_rng(seed).choice(len(frame), MAX_ROWS, replace=False))]
