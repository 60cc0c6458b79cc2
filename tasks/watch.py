"""Look at what is new with the champion's eyes: is it broken, has it moved, is it predicted worse than before?"""

from dataclasses import dataclass

import pandas as pd

from everfit import evaluation, registry, validation
from everfit.errors import ValidationStopped
from everfit.lake import Batch, Lake, labels
from everfit.monitor import overdue, signals
from everfit.monitor.decision import Evidence
from everfit.monitor.findings import Finding
from everfit.monitor.moved import Drift
from everfit.reserved import ROW
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import in_time
from tasks.champion import Champion
from tasks.evidence import evidence
from tasks.faults import faults_of, past_of, wrong_labels
from tasks.labels import Arrived
from tasks.measure import measured_by
from tasks.met import Met, count_labelled, meet, times, unknown_of
from tasks.reports import write_reports
from tasks.steps import say, step
from tasks.validate import Checked
from tasks.view import view_of


@dataclass(frozen=True)
class Seen:
    """The evidence about one batch, and what its page shows beside it."""

    evidence: Evidence
    moved: Drift | None = None
    evidently: str = ""
    performance: str = ""


@step
def watch(spec: ModelSpec, champion: Champion, checked: Checked) -> Seen:
    """Gather every signal about a batch that passed its suites; nothing is decided here."""
    settings, loaded, batch = Settings(), champion.loaded, checked.batch
    lake = Lake(settings)
    rows, former, personal = lake.read(batch), lake.former(batch), _personal(spec)
    new = _new(batch, rows[~rows[ROW].isin(list(checked.broken))], former)
    frame = labels.complete(in_time(spec, new, loaded.format_of(spec.data.time)), lake.labels(spec.name), spec.data)
    landed = lake.known(spec.name, batch.digest)  # then its rows are known rows, and it was sound
    unknown = unknown_of(spec, loaded) if batch.live else set()
    met = meet(spec, loaded, frame=None if unknown else frame, but=batch.digest)
    gone = former.iloc[:0]
    if batch.own and not landed and len(former):  # what it does not hold any more leaves the table when it lands
        gone = former[evaluation.is_beyond(former, rows)]
    met = met.without(gone)
    known = past_of(loaded, met.landed, gone)
    broken = () if landed else faults_of(spec, champion, known, frame, batch, personal, unknown)
    if any(finding.severity == "repair" for finding in broken):
        return _broken(spec, champion, batch, broken, len(frame))
    page = settings.reports(spec.name) / f"evidently-{batch.digest[:12]}.html"
    whole = met if unknown else met.with_batch(loaded, frame)
    view = view_of(spec, champion, whole.judged() if batch.live else whole, frame, met.landed, personal, unknown)
    wrong = () if landed or unknown else wrong_labels(spec, champion, view, known, frame, batch)
    if any(finding.severity == "repair" for finding in wrong):
        return _broken(spec, champion, batch, (*broken, *wrong), len(frame))
    reports = write_reports(loaded, view, page)
    return Seen(
        evidence(
            spec,
            champion,
            batch=batch.digest,
            rows=len(frame),
            findings=(*broken, *wrong, *signals.judge(view), *_overdue(spec, loaded, whole)),
            labels=len(view.losses),
            new_rows=count_labelled(spec, whole.landed),
            target_present=spec.data.target in batch.schema.names,
            corrected=whole.corrected,
            **measured_by(spec, champion, whole, batch.digest),
        ),
        view.drift,
        *reports,
    )


def _new(batch: Batch, sound: pd.DataFrame, former: pd.DataFrame) -> pd.DataFrame:
    """Leave out what the same source gave before: a query or a file that grows brings its old rows again."""
    new = sound[evaluation.is_beyond(sound, former)]
    if len(new) in (0, len(sound)):
        return sound
    say(f"{len(new):,} of {len(sound):,} rows are new; {batch.origin} had the others before")
    return new


@step
def watch_labels(spec: ModelSpec, champion: Champion, arrived: Arrived) -> Seen:
    """Gather what labels that came alone say about the champion, on rows that landed and on rows only predicted."""
    loaded = champion.loaded
    unknown = f", {arrived.unknown:,} are of rows that have not come yet" if arrived.unknown else ""
    say(f"{arrived.joined:,} labels are judged{unknown}")
    met = meet(spec, loaded, after=arrived.after)
    view = view_of(spec, champion, met)
    return Seen(
        evidence(
            spec,
            champion,
            batch=arrived.digest,
            rows=arrived.joined,
            findings=(*signals.judge(view), *_overdue(spec, loaded, met)),
            labels=len(view.losses),
            new_rows=count_labelled(spec, met.landed),
            corrected=met.corrected,
            **measured_by(spec, champion, met, arrived.digest, alone=True),
        )
    )


def refused(spec: ModelSpec, champion: Champion, batch: Batch, stop: ValidationStopped) -> Seen:
    """Turn a stop by the suites into evidence, so that it is decided upon and recorded like any other."""
    findings = tuple(Finding("validation", text, severity="repair") for text in stop.details)
    return _broken(spec, champion, batch, findings, batch.rows)


def _broken(spec: ModelSpec, champion: Champion, batch: Batch, findings: tuple[Finding, ...], rows: int) -> Seen:
    present = spec.data.target in batch.schema.names
    seen = evidence(spec, champion, batch=batch.digest, rows=rows, findings=findings, target_present=present)
    return Seen(seen)


def _overdue(spec: ModelSpec, loaded: registry.Loaded, met: Met) -> tuple[Finding, ...]:
    """Ask whether the labels come in time, where the model file says how long they take."""
    delay, time, target = spec.data.label_delay, spec.data.time, spec.data.target
    dated = [frame for frame in (met.landed, met.asked) if len(frame) and time in frame]
    if not delay or not dated:
        return ()
    when = pd.concat([pd.Series(times(spec, loaded, frame)) for frame in dated])
    has = pd.concat([pd.Series(frame[target].notna() if target in frame else False, frame.index) for frame in dated])
    stamps = pd.to_datetime(when, unit="us").reset_index(drop=True)
    return (overdue.judge(stamps, has.reset_index(drop=True), delay),)


def _personal(spec: ModelSpec) -> frozenset[str]:
    """Return the columns of which the model file or some suite says that nobody may see a value."""
    suites = validation.load_suites(spec.suites, Settings().expectations)
    return frozenset(spec.data.personal).union(*(suite.personal for suite in suites))
