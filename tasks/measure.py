"""Ask everybody about rows whose labels are new: each window's model, those that they replaced, one of long ago."""

from typing import Any

import numpy as np
import pandas as pd

from everfit.lake import Lake, labels
from everfit.ledger import Ledger
from everfit.models.portfolio import said
from everfit.reserved import BATCH, NEW
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.losses import SQUARES, Floats, classes_of, truth_of
from everfit.upkeep.measuring import FEWEST, Answers, Measured
from everfit.upkeep.measuring import measure as weigh
from everfit.upkeep.state import State
from everfit.upkeep.windows import ALL
from tasks.champion import Champion
from tasks.lineage import Lineage
from tasks.met import Met, labelled
from tasks.steps import say


def measure(lineage: Lineage, state: State, rows: pd.DataFrame) -> Measured | None:
    """Return the few numbers that the policy reads, of labelled rows that the champion has not learnt from.

    A window without a model yet is not among those who answer. None when there are hardly any rows.
    """
    if len(rows) < FEWEST:
        return None
    members = {track.window: lineage.model(track.window, track.fitted) for track in state.tracks}
    replaced = {t.window: lineage.model(t.window, t.before) for t in state.tracks if t.before is not None}
    old = lineage.model(ALL, state.old) if state.batches else None
    classes = classes_of([*members.values(), *replaced.values(), old])
    squared = lineage.champion.card["metric"] in SQUARES
    answers = Answers(_asked(members, rows, classes), _asked(replaced, rows, classes),
                      None if old is None else said(old, rows, classes))  # fmt: skip
    return weigh(answers, truth_of(rows[lineage.spec.data.target], classes), state.served, squared)


def _asked(models: dict[str, Any], rows: pd.DataFrame, classes: np.ndarray | None) -> dict[str, Floats]:
    return {name: said(model, rows, classes) for name, model in models.items() if model is not None}


def measured_by(spec: ModelSpec, champion: Champion, met: Met, batch: str, *, alone: bool = False) -> dict[str, Any]:
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
