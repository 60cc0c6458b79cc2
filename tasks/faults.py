"""Is a batch broken, or are its labels those of other rows? Asked with what the champion was made from and has met."""

from collections.abc import Collection
from datetime import UTC, datetime

import pandas as pd

from everfit import evaluation, registry
from everfit.lake import Batch
from everfit.ledger import Ledger
from everfit.monitor import fault_labels, faults, new_normal
from everfit.monitor.counts import numbers
from everfit.monitor.findings import Finding
from everfit.monitor.view import View
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.champion import Champion


def past_of(loaded: registry.Loaded, since: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that faults are told by; those that a correction takes back are not among them."""
    past = faults.rolling(loaded.reference, since, limit=faults.MAX_ROWS)
    return past[evaluation.is_beyond(past, gone)].reset_index(drop=True) if len(gone) else past


def faults_of(
    spec: ModelSpec,
    champion: Champion,
    past: pd.DataFrame,
    frame: pd.DataFrame,
    batch: Batch,
    personal: frozenset[str],
    unknown: Collection[str],
) -> tuple[Finding, ...]:
    """Return what is broken in a batch, beside the rows of the `past` and what was found in the batches before."""
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


def wrong_labels(
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
