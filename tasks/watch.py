"""Look at what is new with the champion's eyes: is it broken, has it moved, is it predicted worse than before?"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry, validation
from everfit.errors import ValidationStopped
from everfit.lake import Batch, Lake, labels
from everfit.ledger import Ledger
from everfit.monitor import fault_labels, faults, new_normal, overdue, signals
from everfit.monitor.answered import ROWS, Answered, Ask
from everfit.monitor.counts import numbers, sample
from everfit.monitor.decision import Evidence
from everfit.monitor.findings import Finding
from everfit.monitor.means import BLOCKS
from everfit.monitor.moved import Drift
from everfit.monitor.reference import heldout_losses
from everfit.monitor.view import View
from everfit.reserved import BATCH, HELDOUT, LOSS, NEW, PREDICTION, ROW, SCORE
from everfit.settings import Settings
from everfit.spec import ModelSpec, Monitor
from tasks.build_features import in_time
from tasks.champion import Champion
from tasks.evidence import evidence
from tasks.labels import Arrived
from tasks.measure import measure
from tasks.met import Met, count_labelled, labelled, losses, meet, times, unknown_of
from tasks.silence import arrivals
from tasks.steps import say, step
from tasks.validate import Checked

RECENT = 20_000  # rows that batches are compared with at most, when that is those accepted lately
ASKED = 50_000  # rows of a batch, for what signals compare of predictions
KEPT = 50  # Evidently's pages of a model


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
    known = _past(loaded, met.landed, gone)
    broken = () if landed else _faults(spec, champion, known, frame, batch, personal, unknown)
    present = spec.data.target in batch.schema.names
    if any(finding.severity == "repair" for finding in broken):
        seen = evidence(spec, champion, batch=batch.digest, rows=len(frame), findings=broken, target_present=present)
        return Seen(seen)
    page = settings.reports(spec.name) / f"evidently-{batch.digest[:12]}.html"
    whole = met if unknown else met.with_batch(loaded, frame)
    view = _view(spec, champion, whole.judged() if batch.live else whole, frame, met.landed, personal, unknown)
    wrong = () if landed or unknown else _wrong_labels(spec, champion, view, known, frame, batch)
    if any(finding.severity == "repair" for finding in wrong):
        findings = (*broken, *wrong)
        seen = evidence(spec, champion, batch=batch.digest, rows=len(frame), findings=findings, target_present=present)
        return Seen(seen)
    reports = _reports(loaded, view, page)
    return Seen(
        evidence(
            spec,
            champion,
            batch=batch.digest,
            rows=len(frame),
            findings=(*broken, *wrong, *signals.judge(view), *_overdue(spec, loaded, whole)),
            labels=len(view.losses),
            new_rows=count_labelled(spec, whole.landed),
            target_present=present,
            corrected=whole.corrected,
            **_measured(spec, champion, whole, batch.digest),
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
    view = _view(spec, champion, met)
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
            **_measured(spec, champion, met, arrived.digest, alone=True),
        )
    )


def refused(spec: ModelSpec, champion: Champion, batch: Batch, stop: ValidationStopped) -> Seen:
    """Turn a stop by the suites into evidence, so that it is decided upon and recorded like any other."""
    findings = tuple(Finding("validation", text, severity="repair") for text in stop.details)
    present = spec.data.target in batch.schema.names
    seen = evidence(spec, champion, batch=batch.digest, rows=batch.rows, findings=findings, target_present=present)
    return Seen(seen)


def _measured(spec: ModelSpec, champion: Champion, met: Met, batch: str, *, alone: bool = False) -> dict[str, Any]:
    """Return the state of the policy, and what the labels of a batch, or such as came `alone`, say of its windows.

    Where they are too few they wait, and so do all while rows come without a label: of these none counts yet.
    """
    lineage = champion.lineage
    state = lineage.state()
    if lineage.has_met(batch):
        return {"upkeep": state, "again": True}
    rows, asked = (_unmeasured(spec, part, lineage.unmeasured()) for part in (met.landed, met.asked))
    few = lineage.few(len(rows)) if alone else not rows[NEW].any()
    measured = None if few else measure(lineage, state, rows)
    if few and len(rows):
        say(f"{len(rows):,} labels wait for more, to count as a batch together")
    return {"upkeep": state, "measured": measured, "waits": measured is None and len(asked) < spec.monitor.min_labels}


def _unmeasured(spec: ModelSpec, met: pd.DataFrame, batches: set[str]) -> pd.DataFrame:
    """Return the rows whose labels are new, or have waited since these batches."""
    rows = labelled(spec, met)
    return rows[rows[NEW].astype(bool) | _waited(spec, rows, batches)] if len(rows) else rows


def _waited(spec: ModelSpec, rows: pd.DataFrame, batches: set[str]) -> np.ndarray:
    """Say which rows are of these batches, or of labels that came alone under these names or later."""
    told = [entry for entry in Ledger.of(Settings()).entries(spec.name, kinds=["labelled"]) if batches]
    before = [-1, *(entry.facts["version"] for entry in told)]
    first = next((at for at, entry in enumerate(told) if entry.subject in batches), None)
    waited = rows[BATCH].isin(batches).to_numpy() if BATCH in rows else np.zeros(len(rows), dtype=bool)
    if first is None:
        return np.asarray(waited)
    later = Lake(Settings()).news(spec.name, spec.data, after=before[first])
    return np.asarray(waited | (labels.matches(rows, later, spec.data) >= 0))


def _view(
    spec: ModelSpec,
    champion: Champion,
    met: Met,
    frame: pd.DataFrame | None = None,
    since: pd.DataFrame | None = None,
    personal: frozenset[str] = frozenset(),
    unknown: Collection[str] = (),
) -> View:
    """Gather what signals look at: what the champion has met, and the rows of a batch, which were accepted `since`.

    Of a batch with `unknown` inputs only the others are looked at: what a model says of their gaps, it never said.

    A refit has learnt from the held-out rows of its search, so the search's own model is asked about those, and about
    what is compared with them: the answers of another model would be other answers, to the same rows.
    """
    loaded, root = champion.loaded, champion.lineage.root
    known, task, target = losses(spec, loaded, met), loaded.task, spec.data.target
    now = loaded.reference.iloc[:0] if frame is None else frame if unknown else _with_predictions(root, frame)
    past, which = (loaded.reference, "") if since is None else _reference(spec, champion, since)

    def ask(rows: pd.DataFrame) -> evaluation.Predicted:
        return evaluation.predict(loaded.pipeline, rows, task, loaded.card["positive"])

    def ask_root(rows: pd.DataFrame) -> evaluation.Predicted:
        return evaluation.predict(root.pipeline, rows, task, root.card["positive"])

    def answered(rows: pd.DataFrame, asks: Ask = ask) -> Answered:
        return Answered.by(asks, sample(rows, ROWS).reset_index(drop=True), task, target)

    held = loaded.reference
    return View(
        policy=_policy(spec, champion, len(known)),
        task=task,
        target=target,
        inputs=loaded.schema.only(set(loaded.card["inputs"]).difference({spec.data.time}, unknown)),
        ask=ask_root,
        reference=past,
        current=now,
        heldout=answered(held[held[HELDOUT].astype(bool) & held[LOSS].notna()], ask_root),
        batch=Answered.nothing() if unknown else answered(now),
        labelled=answered(labelled(spec, met.landed).tail(ROWS)),
        past_losses=heldout_losses(held),
        losses=known["loss"].to_numpy(),
        recent=int(known["new"].sum()),
        arrivals=arrivals(spec),
        personal=personal,
        compared_with=which,
        refitted=root is not loaded,
    )


def _policy(spec: ModelSpec, champion: Champion, known: int) -> Monitor:
    """Return the monitor's policy; once the lineage has met enough labels, the few since a refit may judge it."""
    made, policy = champion.lineage.line[0], spec.monitor
    if made.searched or known + made.beyond < policy.min_labels:
        return policy
    return policy.model_copy(update={"min_labels": min(2 * BLOCKS, policy.min_labels)})


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


def _past(loaded: registry.Loaded, since: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that faults are told by; those that a correction takes back are not among them."""
    past = faults.rolling(loaded.reference, since, limit=faults.MAX_ROWS)
    return past[evaluation.is_beyond(past, gone)].reset_index(drop=True) if len(gone) else past


def _faults(
    spec: ModelSpec,
    champion: Champion,
    past: pd.DataFrame,
    frame: pd.DataFrame,
    batch: Batch,
    personal: frozenset[str],
    unknown: Collection[str],
) -> tuple[Finding, ...]:
    loaded = champion.loaded
    return faults.find(
        past,
        frame,
        schema=loaded.schema.only({*loaded.card["inputs"], spec.data.time}).without(unknown),
        time=spec.data.time,
        ids=() if batch.live else spec.data.ids,  # a service may be asked the same again, and each time names it anew
        target=spec.data.target,
        now=datetime.now(UTC),
        on_change=spec.data.on_change,
        before=_earlier(spec, champion, batch),
        personal=personal,
    )


def _wrong_labels(
    spec: ModelSpec, champion: Champion, view: View, past: pd.DataFrame, frame: pd.DataFrame, batch: Batch
) -> tuple[Finding, ...]:
    """Say whether the labels of a batch are those of other rows, which no model may learn from either."""
    known, loaded, target = view.batch.known, champion.loaded, spec.data.target
    if not len(known):
        return ()
    if loaded.task == "regression":
        said, truth = known.said.values, numbers(known.frame[target])
    else:
        said, truth = known.proba, known.truth(target)
    usual = champion.lineage.state().usual
    wrong = fault_labels.find(past, frame, view.inputs, target, said, truth, usual)
    return new_normal.let_through((wrong,), _earlier(spec, champion, batch)) if wrong else ()


def _earlier(spec: ModelSpec, champion: Champion, batch: Batch) -> list[tuple[Finding, ...]]:
    """Return what was found in the batches before, the latest first; labels that came alone are none."""
    judged = [entry.facts for entry in champion.lineage.judged()]
    alone = {entry.subject for entry in Ledger.of(Settings()).entries(spec.name, kinds=["labelled"])}
    return new_normal.earlier((facts for facts in judged if facts["evidence"]["batch"] not in alone), batch.digest)


def _personal(spec: ModelSpec) -> frozenset[str]:
    """Return the columns of which the model file or some suite says that nobody may see a value."""
    suites = validation.load_suites(spec.suites, Settings().expectations)
    return frozenset(spec.data.personal).union(*(suite.personal for suite in suites))


def _reports(loaded: registry.Loaded, view: View, page: Path) -> tuple[str, str]:
    """Write Evidently's reports of the columns and of predictions beside labels; name them, or say why none."""
    from everfit.monitor import evidently_report  # takes four seconds, and most runs see nothing new

    beside = page.with_name(f"{page.stem}-performance.html")
    past, now = view.reference, view.current
    shown = view.drift.judged and view.target in now and view.target not in view.personal
    served = _with_predictions(loaded, now) if shown and view.refitted else now
    performance = evidently_report.write_performance(past, served, view.target, loaded.task, beside) if shown else ""
    report = evidently_report.write_report(past, now, view.drift, page)
    _keep_latest(page.parent)
    return report, performance


def _keep_latest(folder: Path) -> None:
    """Remove all but the latest of Evidently's pages: each takes four megabytes, and our own page says the verdict."""
    with suppress(OSError):  # another run may be at it too
        pages = sorted(folder.glob("evidently-*.html"), key=lambda page: page.stat().st_mtime)
        for page in pages[:-KEPT]:
            page.with_suffix(".json").unlink(missing_ok=True)
            page.unlink()


def _reference(spec: ModelSpec, champion: Champion, since: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows that the model file wants batches to be compared with, and their name."""
    loaded = champion.loaded
    training = "the rows that the champion was made from"
    if spec.monitor.reference == "training":
        return loaded.reference, training
    if len(since) < spec.monitor.min_rows:
        return (
            loaded.reference,
            f"{training}: only {len(since):,} were accepted since, {spec.monitor.min_rows:,} needed",
        )
    recent = since.tail(RECENT).drop(columns=NEW).reset_index(drop=True)
    answered = _with_predictions(champion.lineage.root, recent).assign(**{HELDOUT: True})
    return answered, f"the {len(recent):,} rows accepted last"


def _with_predictions(loaded: registry.Loaded, frame: pd.DataFrame) -> pd.DataFrame:
    """Put beside rows what a model says of them; of more than 50,000 it is asked about so many of them."""
    frame = frame.drop(columns=[PREDICTION, SCORE], errors="ignore")
    asked = sample(frame, ASKED)
    predicted = evaluation.predict(loaded.pipeline, asked, loaded.task, loaded.card["positive"])
    said = {PREDICTION: predicted.values} | ({} if predicted.score is None else {SCORE: predicted.score})
    return pd.concat([frame, pd.DataFrame(said, index=asked.index)], axis=1)
