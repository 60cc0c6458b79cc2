"""What a version is later compared with: a sample of the rows that made it, and what it said about some of them.

Predictions and losses come only from rows that the model never learnt from: on its own training rows every
model looks better than it is, and each new batch would look like a decline. Features may come from all rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from everfit.reserved import HELDOUT, LOSS, PREDICTION, SCORE

HELDOUT_SHARE = 0.5


def make_reference(
    frame: pd.DataFrame,
    predicted: Any,
    losses: Any,
    *,
    score: Any = None,
    learnt: pd.DataFrame | None = None,
    limit: int = 20_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Join a sample of held-out rows, with what the model said about them, and of rows that it learnt from.

    `frame` are the held-out rows with features and target; `predicted`, `losses` and, for binary tasks, `score`
    (the positive class's probability) have one value for each. `learnt` are training rows. Both keep the order they
    came in, which must be the order of time, learnt before held-out. Held-out rows get at most half of `limit` unless
    the others do not fill the rest.
    """
    past = frame.iloc[:0] if learnt is None else learnt
    kept = min(len(frame), max(round(limit * HELDOUT_SHARE), limit - len(past)))
    chosen = _sample(len(frame), kept, seed)
    heldout = frame.iloc[chosen].assign(**{PREDICTION: np.asarray(predicted)[chosen]})
    if score is not None:
        heldout[SCORE] = np.asarray(score, dtype=float)[chosen]
    heldout[LOSS] = np.asarray(losses, dtype=float)[chosen]
    heldout[HELDOUT] = True
    others = past.iloc[_sample(len(past), limit - kept, seed + 1)].assign(**{HELDOUT: False})
    joined = pd.concat([others, heldout], ignore_index=True) if len(others) else heldout.reset_index(drop=True)
    return joined[heldout.columns]


def heldout_losses(reference: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the champion's losses on the held-out rows, in the order of time."""
    held = reference.loc[reference[HELDOUT].astype(bool), LOSS]
    return held.dropna().to_numpy(dtype=float)


def _sample(rows: int, wanted: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return sorted positions, so that the sample keeps the order of the rows."""
    if rows <= wanted:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))
