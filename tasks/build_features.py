"""Decide what each column is to a model, from the rows that the search may see."""

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from everfit import evaluation, features
from everfit.lake import Lake, Snapshot, labels
from everfit.reserved import ID
from everfit.settings import Settings
from everfit.spec import ModelSpec, TaskType
from tasks.artifacts import publish_table
from tasks.steps import say, step


@dataclass(frozen=True)
class Prepared:
    """A snapshot with its roles and its task; the split follows from both."""

    snapshot: Snapshot
    plan: features.Plan
    task: TaskType
    metric: str
    positive: Any = None


@dataclass(frozen=True)
class Rows:
    """The rows of a snapshot on both sides of the split."""

    train: pd.DataFrame
    test: pd.DataFrame
    split: evaluation.Split


@step
def build_features(spec: ModelSpec, snapshot: Snapshot) -> Prepared:
    """Infer task and roles; raise DataError when no model can be learnt from these rows."""
    rows = read_rows(spec, snapshot)
    prepared = prepared_of(spec, snapshot, rows)
    task, plan = prepared.task, prepared.plan
    left = f", {rows.split.left_out:,} left out: no time, or too late to learn from" if rows.split.left_out else ""
    kept = f"{len(rows.train):,} rows to learn from, {len(rows.test):,} kept to judge{left}"
    say(f"{task}, {len(plan.inputs)} inputs, {kept}")
    publish_table(
        spec.name, "features", [asdict(column) for column in plan.columns], f"{spec.name}: what each column is"
    )
    for each in plan.warnings:
        say(each, level=logging.WARNING)
    return prepared


def prepared_of(spec: ModelSpec, snapshot: Snapshot, rows: Rows) -> Prepared:
    """Infer task and roles from rows, and name columns that know too much; the same rows give the same anywhere."""
    target = rows.train[spec.data.target]
    task = evaluation.infer_task(target, spec.data)
    metric = spec.search.metric or evaluation.default_metric(task)
    positive = evaluation.positive_class(target, spec.data) if task == "binary" else None
    plan = features.plan(rows.train, spec.data)
    time = evaluation.times_of(rows.train[spec.data.time]) if spec.data.time else None
    plan = replace(plan, warnings=evaluation.leaks(rows.train, target, plan, task, time=time))
    return Prepared(snapshot, plan, task, metric, positive)


def read_rows(spec: ModelSpec, snapshot: Snapshot) -> Rows:
    """Read a snapshot with the labels that it names, and split it; the same one is split the same way every time."""
    frame = labelled_rows(spec, snapshot)
    split = evaluation.split(frame, spec)
    return Rows(frame.iloc[split.train].reset_index(drop=True), frame.iloc[split.test].reset_index(drop=True), split)


def labelled_rows(spec: ModelSpec, snapshot: Snapshot, form: str = "") -> pd.DataFrame:
    """Read all rows of a snapshot whose label is known to it, in the order of time."""
    lake = Lake(Settings())
    frame = labels.complete(lake.read(snapshot), lake.labels(snapshot), spec.data)
    frame = _of_use(spec, frame)
    labelled = frame[frame[spec.data.target].notna()] if spec.data.target in frame else frame
    evaluation.check_target(labelled if len(labelled) else frame, spec.data)
    return in_time(spec, labelled, form)


def _of_use(spec: ModelSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out what a service was asked if it came in otherwise too, or lacks weight, group or what is personal."""
    if ID not in frame:
        return frame
    data, beside = spec.data, {*spec.data.ids, *spec.data.drop}  # which no model reads
    needed = [name for name in (data.weight, data.group, *data.personal) if name in frame and name not in beside]
    whole = frame[ID].isna() | frame[needed].notna().all(axis="columns")
    return frame[whole & labels.first_words(frame, spec.data)].drop(columns=ID)


def in_time(spec: ModelSpec, frame: pd.DataFrame, form: str = "") -> pd.DataFrame:
    """Return rows in the order of their time, and as they came where times are equal or there are none.

    Text is read in `form`, which a part of the data cannot tell by itself.
    """
    if spec.data.time not in frame:
        return frame.reset_index(drop=True)
    order = evaluation.times_of(frame[spec.data.time], form).argsort(kind="stable")
    return frame.iloc[order].reset_index(drop=True)


def weight_of(spec: ModelSpec, rows: pd.DataFrame) -> pd.Series | None:
    """Return the rows' weights, if the model file names a column for them."""
    return rows[spec.data.weight] if spec.data.weight else None
