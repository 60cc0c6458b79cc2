"""Do the labels of a batch belong to its rows? Joined by a wrong key, or sorted by another, they are those of others.

Then nothing that rows say has to do with their labels: neither what the champion says of them, nor what a forest finds
that learns from these very rows, though it finds plenty in as many rows of before. A world that has changed leaves
something to be found, which only the champion does not know yet.

A sound batch is refused where what is as plain as it was before hides by chance, from the champion and from the forest:
for the forest alone that is four standard errors, less than once in 10,000 batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import RandomForestRegressor

from everfit.monitor.counts import Floats
from everfit.monitor.findings import Finding, finite
from everfit.monitor.means import squared_error
from everfit.monitor.table import Table
from everfit.schema import Schema
from everfit.upkeep.state import Level

SIGNAL = "labels of other rows"
FEWEST, MOST = 100, 1_000  # rows
KNOWN, SEEN, PLAIN = 3.0, 2.0, 6.0  # standard errors: of the champion, which is asked three times, and of the forests
WEAK = 0.8  # of the loss of a constant
VARIES = 0.5  # of the variance of before: labels that hardly differ go with nothing
WIDEST = 1e30  # as float32, which a forest reads
FOREST: dict[str, Any] = {"n_estimators": 50, "min_samples_leaf": 3, "max_features": 0.5, "random_state": 0}


def find(
    past: pd.DataFrame | Table,
    came: pd.DataFrame | Table,
    inputs: Schema,
    target: str,
    said: Floats,
    truth: Floats,
    usual: Level | None = None,
) -> Finding | None:
    """Speak when labels have nothing to do with their rows, and used to.

    `past` are rows in the order of time, `came` those of the batch, both with `inputs` and `target`. `said` is what the
    champion says of the labelled ones of the batch, `truth` what is true: numbers, or a column for each class. A
    champion whose `usual` loss is hardly below that of a constant is not asked: it may know nothing of any batch.
    """
    if len(truth) < FEWEST or (usual and usual.mean > WEAK) or (known := _known(said, truth)) >= KNOWN:
        return None
    past = past if isinstance(past, Table) else _read(past, inputs, target)
    came = came if isinstance(came, Table) else past.read(came)
    if target not in past.schema.names:
        return None
    rows = min(MOST, *(int((~np.isnan(side.row(target))).sum()) for side in (past, came)))
    if rows < FEWEST:
        return None
    (former, before), (now, after) = _sides(past, came, inputs.names, target, rows, numbers=truth.ndim == 1)
    if after.var(axis=0).sum() < VARIES * before.var(axis=0).sum():
        return None
    if (finds := _found(now, after)) >= SEEN or (used := _found(former, before)) < PLAIN:
        return None
    text = (
        "labels have nothing to do with their rows: neither the champion nor a model of these very rows answers better "
        f"than chance ({known:.1f} and {finds:.1f} standard errors), and one of {rows:,} rows of before does "
        f"({used:.1f}): joined by a wrong key?"
    )
    return Finding(SIGNAL, text, severity="repair", effect=finite(used - finds))


def agreement(said: Floats, truth: Floats) -> float:
    """Return by how many standard errors answers go with the labels of their own rows rather than with any others."""
    if truth.ndim == 1:
        said, truth = (stats.rankdata(side)[:, np.newaxis] for side in (said, truth))
    together = ((said - said.mean(axis=0)) * (truth - truth.mean(axis=0))).sum(axis=1)
    error = squared_error(together)[0] ** 0.5
    return float(together.mean() / error) if error else 0.0


def _known(said: Floats, truth: Floats) -> float:
    """Return how well answers go with labels, or with those of a half: the world may have turned round in between."""
    whole = np.arange(len(truth))
    return max(agreement(said[rows], truth[rows]) for rows in (whole, *np.array_split(whole, 2)))


def _read(frame: pd.DataFrame, inputs: Schema, target: str) -> Table:
    kinds = inputs.to_dict() | Schema.of(frame[[target]]).to_dict()
    return Table.of(frame, Schema.from_dict({name: kind for name, kind in kinds.items() if name in frame}))


def _sides(
    past: Table, came: Table, names: tuple[str, ...], target: str, rows: int, *, numbers: bool
) -> list[tuple[Floats, Floats]]:
    """Return inputs and labels of the last labelled rows of both sides: as ranks, or a column for each class."""
    sides, there = [], [at for at, name in enumerate(past.schema.names) if name in names]
    for table in (past, came):
        labels = table.row(target)
        last = np.flatnonzero(~np.isnan(labels))[-rows:]
        sides.append((np.clip(table.values[there][:, last].T, -WIDEST, WIDEST), labels[last]))
    if numbers:
        both = stats.rankdata(np.concatenate([labels for _, labels in sides])) / (2 * rows)
        return [(sides[0][0], both[:rows]), (sides[1][0], both[rows:])]
    classes = np.unique(np.concatenate([labels for _, labels in sides]))
    return [(inputs, np.asarray(labels[:, np.newaxis] == classes, dtype="float64")) for inputs, labels in sides]


def _found(inputs: Floats, labels: Floats) -> float:
    """Return how well a forest answers the rows that its trees did not learn from."""
    forest = RandomForestRegressor(**FOREST, oob_score=True).fit(inputs, labels)
    return agreement(np.asarray(forest.oob_prediction_), labels)
