"""Take in labels that came alone, and find those that no decision has seen."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.errors import DataError, InputError, NoFiles, first_line
from everfit.lake import Lake, labels
from everfit.lake.keys import canonical
from everfit.lake.outcome import Kept, Said, kept
from everfit.ledger import Ledger
from everfit.record import Record
from everfit.reserved import KEY, ORDER, ORIGIN, PREDICTION_ID, ROW, VERSION
from everfit.schema import Kind
from everfit.settings import Settings
from everfit.sources import Source, open_source
from everfit.spec import ModelSpec
from tasks.ingest import secret
from tasks.steps import say, step


@dataclass(frozen=True)
class Arrived(Record):
    """Labels to be judged: all that are known by now, named by their `digest`; new are those that came `after`.

    `joined` are those of known rows that say what was not known before.
    """

    digest: str
    after: int
    joined: int
    unknown: int


@step
def take_labels(spec: ModelSpec, source: str = "") -> Arrived | None:
    """Keep the labels of a source, or of the model's own; return what is to be judged, None when nothing is.

    Labels of rows that are not known are kept for when these come. What a run that died has kept, the next one
    returns, as it does what `everfit labels` has kept since.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    kept = keep_labels(spec, source)
    if kept.rows:
        say("; ".join(map(str.strip, kept.lines)), level=logging.WARNING if kept.unknown else logging.INFO)
    snapshot = lake.snapshot(spec.name)
    if not snapshot.labels_digest or snapshot.labels_version is None:
        return None
    known = lake.labels(snapshot)
    return _arrived(spec, lake, ledger, known, snapshot.labels_digest)


def keep_labels(spec: ModelSpec, source: str = "") -> Kept:
    """Keep the labels of a source, or of the model's own, and say what became of each; nothing is judged.

    All files are read before any label is kept, so that a mistake leaves nothing half-written. The same again changes
    nothing.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    said = _read(spec, settings, lake, _opened(spec, settings, source))
    before = lake.labels(spec.name)
    for one in said:
        lake.record_labels(spec.name, one.labels, one.origin)
    snapshot = lake.snapshot(spec.name)
    known = lake.labels(snapshot)
    if snapshot.labels_version is not None:
        _write_down(spec, settings, ledger, known, snapshot.labels_digest, snapshot.labels_version)
    if not said:
        return Kept()
    named = pd.concat([one.labels[KEY] for one in said])
    here = known[known[KEY].isin(named)].reset_index(drop=True)
    rows = lake.known_rows(spec.name, labels.names_of(spec.data))
    at, late = _joined(spec, lake, ledger, here, rows)
    return kept(said, here, labels.had(here, rows, before, spec.data), unknown=len(here) - len(at), late=late)


def _joined(
    spec: ModelSpec, lake: Lake, ledger: Ledger, fresh: pd.DataFrame, rows: pd.DataFrame
) -> tuple[np.ndarray, int]:
    """Return the positions of labels whose rows are known, and how many are about answers of earlier champions only."""
    said = lake.answers(spec.name, spec.data, known=fresh)
    landed, asked = (labels.matches(each, fresh, spec.data) for each in (rows, said))
    now = asked[(said[VERSION] == ledger.champion(spec.name)).to_numpy()] if len(said) else asked
    at = np.concatenate([landed, asked])
    return np.unique(at[at >= 0]), len(set(asked[asked >= 0]).difference(now))


def _opened(spec: ModelSpec, settings: Settings, named: str) -> list[Source]:
    """Open the source that was named, or else the model's own, which may be waiting for its first file."""
    where = named or spec.data.labels
    try:
        return open_source(where, base=settings.workspace, secrets=secret) if where else []
    except NoFiles as none:
        if named:
            raise
        say(f"no labels yet: {first_line(none)}")
        return []


def _read(spec: ModelSpec, settings: Settings, lake: Lake, places: list[Source]) -> list[Said]:
    if not places:
        return []
    champion = registry.require_champion(Ledger.of(settings), spec.name)
    kind = registry.schema_of(settings, spec.name, champion).to_dict()[spec.data.target]
    read = []
    for source in places:
        batch = lake.stage(spec.name, source, apart=True)
        try:
            read.append(_said(spec, lake.read(batch).drop(columns=ROW), kind, source.origin))
        finally:
            lake.discard(batch)
        _check_classes(spec, lake, read[-1].labels, source.origin)
    return read


def _said(spec: ModelSpec, frame: pd.DataFrame, kind: Kind, origin: str) -> Said:
    if not spec.data.ids and PREDICTION_ID not in frame:
        raise InputError(
            f"{spec.name}: labels that come alone find their rows by the ids, and the model file names no ids.",
            why=f"{origin} has no column '{PREDICTION_ID}' either, by which the service names its answers.",
            do="Name the column(s) that name a row in data.ids of the model file, or add the ids of the answers.",
        )
    return Said.of(frame, labels.read(frame, spec.data, kind, origin), spec.data, origin)


def _check_classes(spec: ModelSpec, lake: Lake, said: pd.DataFrame, origin: str) -> None:
    """Raise DataError when a label is neither of the two classes that a binary target has."""
    target = spec.data.target
    known = lake.known_rows(spec.name, [target])
    classes = set(canonical(known[target].dropna())) if target in known else set()
    if len(classes) != 2 or evaluation.infer_task(known[target], spec.data) != "binary":
        return
    if others := sorted(set(canonical(said[target])) - classes):
        raise DataError(
            f"{origin}: '{others[0]}' is no class of '{target}', which is {' or '.join(sorted(classes))}.",
            why="Nothing of the file was taken in.",
            do="Correct the labels; leave those empty that are not known.",
        )


def _write_down(
    spec: ModelSpec, settings: Settings, ledger: Ledger, known: pd.DataFrame, digest: str, version: int
) -> None:
    told = [entry.facts["version"] for entry in ledger.entries(spec.name, kinds=["labelled"])]
    new = known[known[ORDER] > max(told, default=-1)]
    if len(new):
        facts = {"labels": len(new), "version": version}
        reason = ", ".join(sorted(set(new[ORIGIN])))
        ledger.once("labelled", spec.name, digest, actor=settings.actor, reason=reason, facts=facts)


def _arrived(spec: ModelSpec, lake: Lake, ledger: Ledger, known: pd.DataFrame, digest: str) -> Arrived | None:
    made = ledger.registered(spec.name).get(ledger.champion(spec.name) or 0, {})
    if made.get("labels_digest") == digest:
        return None
    line = {each.version for each in ledger.lineage(spec.name)}  # what was rolled back is not of it
    said = [entry.facts["evidence"] for entry in ledger.entries(spec.name, kinds=["drift_judged"])]
    judged = {evidence["batch"] for evidence in said if evidence["champion"] in line} - {digest}
    seen = [e.facts["version"] for e in ledger.entries(spec.name, kinds=["labelled"]) if e.subject in judged]
    after = max([*seen, made.get("labels_version") or -1])
    fresh = known[known[ORDER] > after].reset_index(drop=True)
    at, _ = _joined(spec, lake, ledger, fresh, lake.known_rows(spec.name, labels.names_of(spec.data)))
    news = fresh[KEY].isin(lake.news(spec.name, spec.data, after=after)[KEY]).to_numpy()
    arrived = Arrived(digest, int(after), int(news[at].sum()), len(fresh) - len(at))
    return arrived if arrived.joined else None
