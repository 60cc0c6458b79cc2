"""Ask everybody about rows whose labels are new: each window's model, those that they replaced, one of long ago."""

from typing import Any

import numpy as np
import pandas as pd

from everfit.models.portfolio import said
from everfit.upkeep.losses import SQUARES, Floats, classes_of, truth_of
from everfit.upkeep.measuring import FEWEST, Answers, Measured
from everfit.upkeep.measuring import measure as weigh
from everfit.upkeep.state import State
from everfit.upkeep.windows import ALL
from tasks.lineage import Lineage


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
