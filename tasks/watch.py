"""Look at a new batch with the champion's eyes: is it broken, has it moved, is it predicted worse than before?"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.errors import ValidationStopped
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.monitor import drift, faults, new_normal, performance
from everfit.monitor.decision import Evidence
from everfit.monitor.findings import Finding
from everfit.monitor.reference import PREDICTION, SCORE, heldout_losses
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import in_time
from tasks.champion import load_champion
from tasks.evaluate import unseen
from tasks.steps import say, step
from tasks.validate import Checked

Losses = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Seen:
    """The evidence about one batch, and what its page shows beside it."""

    evidence: Evidence
    moved: drift.Drift | None = None
    evidently: str = ""


@dataclass(frozen=True)
class _Champion:
    """The champion, and the rows that landed since it was trained."""

    loaded: registry.Loaded
    since: pd.DataFrame = field(repr=False)


@step
def watch(spec: ModelSpec, checked: Checked) -> Seen:
    """Gather every signal about a batch that passed its suites; nothing is decided here."""
    settings = Settings()
    champion = _champion(spec, settings, checked.batch)
    lake = Lake(settings)
    batch = lake.read(checked.batch)
    frame = in_time(spec, batch[~batch["_row"].isin(list(checked.broken))])
    landed = lake.known(spec.name, checked.batch.digest)  # then its rows are known rows, and it was sound
    broken = () if landed else _faults(spec, settings, champion, frame, checked.batch.digest)
    if any(finding.severity == "repair" for finding in broken):
        return Seen(_evidence(spec, settings, checked.batch, champion, broken, frame))
    page = settings.reports(spec.name) / f"evidently-{checked.batch.digest[:12]}.html"
    moved, report = _drift(spec, champion.loaded, frame, page)
    before, latest = (_losses(spec, champion.loaded, rows) for rows in (champion.since, frame))
    worse = performance.compare(
        heldout_losses(champion.loaded.reference),
        np.concatenate([before, latest]),
        level=spec.monitor.significance,
        min_increase=spec.monitor.loss_increase,
        min_labels=spec.monitor.min_labels,
        recent=len(latest),
    )
    say(f"{len(frame):,} rows: {worse.text}")
    findings, labels = (*broken, *moved.findings(), worse), len(before) + len(latest)
    return Seen(_evidence(spec, settings, checked.batch, champion, findings, frame, labels), moved, report)


def _faults(
    spec: ModelSpec, settings: Settings, champion: _Champion, frame: pd.DataFrame, batch: str
) -> tuple[Finding, ...]:
    loaded = champion.loaded
    judged = Ledger.of(settings).entries(spec.name, kinds=["drift_judged"])
    return faults.find(
        faults.rolling(loaded.reference, champion.since),
        frame,
        schema=loaded.schema.only({*loaded.card["inputs"], spec.data.time}),
        time=spec.data.time,
        now=datetime.now(UTC),
        on_change=spec.data.on_change,
        before=new_normal.earlier((entry.facts for entry in judged), batch),
    )


def _drift(spec: ModelSpec, loaded: registry.Loaded, frame: pd.DataFrame, page: Path) -> tuple[drift.Drift, str]:
    """Compare inputs, predictions and labels with the champion's past; return it with Evidently's file name."""
    now, target = _with_predictions(loaded, frame), spec.data.target
    moved = drift.compare(
        loaded.reference,
        now,
        columns=loaded.schema.only(set(loaded.card["inputs"]) - {spec.data.time}),
        level=spec.monitor.significance,
        min_rows=spec.monitor.min_rows,
        target=target if target in frame else None,
    )
    from everfit.monitor import evidently_report  # takes four seconds, and most runs see nothing new

    report = evidently_report.write_report(loaded.reference, now, moved, page, target=target, task=loaded.task)
    return moved, report.degraded or Path(report.html).name


def refused(spec: ModelSpec, batch: Batch, stop: ValidationStopped) -> Seen:
    """Turn a stop by the suites into evidence, so that it is decided upon and recorded like any other."""
    settings = Settings()
    findings = tuple(Finding("validation", text, severity="repair") for text in stop.details)
    return Seen(_evidence(spec, settings, batch, _champion(spec, settings, batch), findings, pd.DataFrame()))


def _champion(spec: ModelSpec, settings: Settings, batch: Batch) -> _Champion:
    lake, version = Lake(settings), registry.require_champion(Ledger.of(settings), spec.name)
    loaded = load_champion(spec, settings, version)
    learnt = lake.snapshot(spec.name, loaded.card["snapshot"]["version"])
    since = lake.since(learnt, target=spec.data.target, but=batch.digest)
    return _Champion(loaded, unseen(in_time(spec, since), loaded) if len(since) else since)


def _with_predictions(loaded: registry.Loaded, frame: pd.DataFrame) -> pd.DataFrame:
    predicted = evaluation.predict(loaded.pipeline, frame, loaded.task, loaded.card["positive"])
    said = {PREDICTION: predicted.values} | ({} if predicted.score is None else {SCORE: predicted.score})
    return pd.concat([frame, pd.DataFrame(said, index=frame.index)], axis=1)


def _losses(spec: ModelSpec, loaded: registry.Loaded, frame: pd.DataFrame) -> Losses:
    """Return the champion's losses on the rows that have a label, in their order; empty when none has."""
    if spec.data.target not in frame:
        return np.empty(0)
    known = frame[frame[spec.data.target].notna()]
    if known.empty:
        return np.empty(0)
    predicted = evaluation.predict(loaded.pipeline, known, loaded.task, loaded.card["positive"])
    return evaluation.row_losses(loaded.task, known[spec.data.target], predicted)


def _evidence(
    spec: ModelSpec,
    settings: Settings,
    batch: Batch,
    champion: _Champion,
    findings: tuple[Finding, ...],
    frame: pd.DataFrame,
    labels: int = 0,
) -> Evidence:
    ledger, loaded = Ledger.of(settings), champion.loaded
    swaps = ledger.entries(spec.name, kinds=["promoted", "rolled_back"])
    retrainings = ledger.entries(spec.name, kinds=["retrain_wanted", "retrain_finished", "retrain_failed"])
    ended = {entry.subject: entry for entry in retrainings if entry.kind != "retrain_wanted"}
    open_ = [entry.subject for entry in retrainings if entry.kind == "retrain_wanted" and entry.subject not in ended]
    return Evidence(
        model=spec.name,
        batch=batch.digest,
        data_version=int(loaded.card["snapshot"]["version"]),
        now=datetime.now(UTC),
        rows=len(frame) or batch.rows,
        champion=loaded.version,
        champion_since=swaps[-1].at if swaps else None,
        learnt=len(loaded.train_rows),
        new_rows=labels,
        labels=labels,
        target_present=spec.data.target in batch.schema.names,
        retrained=tuple(entry.at for entry in ended.values()),
        running=open_[-1] if open_ else "",
        waiting=ledger.waiting(spec.name),
        findings=findings,
    )
