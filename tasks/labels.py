"""Take in labels that came alone, and find those that no decision has seen."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.errors import DataError, InputError, NoFiles, first_line
from everfit.lake import Lake, labels
from everfit.lake.keys import canonical
from everfit.ledger import Ledger
from everfit.reserved import ORDER, ORIGIN, ROW
from everfit.settings import Settings
from everfit.sources import Source, open_source
from everfit.spec import ModelSpec
from tasks.ingest import secret
from tasks.steps import say, step


@dataclass(frozen=True)
class Arrived:
    """Labels to be judged: all that are known by now, named by their `digest`; new are those that came `after`."""

    digest: str
    after: int
    joined: int
    unknown: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


@step
def take_labels(spec: ModelSpec, source: str = "") -> Arrived | None:
    """Keep the labels of a source, or of the model's own; return what is to be judged, None when nothing is.

    All files are read before any label is kept, so that a mistake leaves nothing half-written. Labels of rows that
    are not known are kept for when these come. What a run that died has kept, the next one returns.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    if places := _opened(spec, settings, source):
        for origin, said in _read(spec, settings, lake, places):
            news = lake.record_labels(spec.name, said, origin)
            say(f"{len(said):,} labels from {origin}, {news:,} of them new")
    snapshot = lake.snapshot(spec.name)
    if not snapshot.labels_digest or snapshot.labels_version is None:
        return None
    known = lake.labels(snapshot)
    _write_down(spec, settings, ledger, known, snapshot.labels_digest, snapshot.labels_version)
    return _arrived(spec, lake, ledger, known, snapshot.labels_digest)


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


def _read(spec: ModelSpec, settings: Settings, lake: Lake, places: list[Source]) -> list[tuple[str, pd.DataFrame]]:
    if not spec.data.ids:
        raise InputError(
            f"{spec.name}: labels that come alone find their rows by the ids, and the model file names no ids.",
            do="Name the column(s) that name a row in data.ids of the model file.",
        )
    champion = registry.require_champion(Ledger.of(settings), spec.name)
    kind = registry.schema_of(settings, spec.name, champion).to_dict()[spec.data.target]
    read = []
    for source in places:
        batch = lake.stage(spec.name, source, apart=True)
        try:
            said = labels.read(lake.read(batch).drop(columns=ROW), spec.data, kind, source.origin)
        finally:
            lake.discard(batch)
        _check_classes(spec, lake, said, source.origin)
        read.append((source.origin, said))
    return read


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
    names = [name for name in (*spec.data.ids, spec.data.time) if name]
    rows = lake.known_rows(spec.name, names), lake.predictions(spec.name)
    at = np.concatenate([labels.matches(frame, fresh, spec.data) for frame in rows])
    joined = len(np.unique(at[at >= 0]))
    arrived = Arrived(digest, int(after), joined, len(fresh) - joined)
    level = logging.WARNING if arrived.unknown else logging.INFO
    say(f"{joined:,} new labels of known rows, {arrived.unknown:,} of rows that have not come yet", level=level)
    return arrived if joined else None
