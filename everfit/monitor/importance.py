"""Which of the columns that moved matter: by how much the champion's loss rises when their values are shuffled.

Permutation importance (Breiman 2001) on rows that the champion never learnt from, and only of columns that moved:
nothing has to be kept with a version, and a batch in which nothing moved costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from everfit.evaluation import row_losses
from everfit.monitor.answered import Answered, Ask
from everfit.monitor.moved import Drift

ROWS = 1_000
COLUMNS = 30  # those that moved most; each takes one prediction of all rows


def weighed(drift: Drift, heldout: Answered, ask: Ask, *, task: str, target: str, seed: int = 0) -> Drift:
    """Return the same with the importance of the columns that drifted, and of all of them together.

    An importance is a relative rise of the mean loss: 0.1 when shuffling makes it a tenth higher. Without held-out rows
    nothing is known of it.
    """
    moved, random = [column.column for column in drift.drifted[:COLUMNS]], np.random.default_rng(seed)
    known = heldout.known
    if not moved or not len(known):
        return drift
    rows = known.take(np.sort(random.permutation(len(known))[:ROWS]))
    each = {name: _rise(rows, [name], ask, task, target, random) for name in moved}
    columns = tuple(replace(column, importance=each.get(column.column)) for column in drift.columns)
    return replace(drift, columns=columns, importance=_rise(rows, moved, ask, task, target, random))


def _rise(rows: Answered, names: Sequence[str], ask: Ask, task: str, target: str, random: np.random.Generator) -> float:
    """Shuffle some columns together, so that what they say of each other stays."""
    frame, order = rows.frame, random.permutation(len(rows))
    shuffled = frame.assign(**{name: frame[name].array[order] for name in names})
    before, after = rows.losses.mean(), row_losses(task, frame[target], ask(shuffled)).mean()
    return round(float((after - before) / max(before, 1e-12)), 4)
