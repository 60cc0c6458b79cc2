"""How windows answer together: the share of each by its recent loss, and the offset, as far as that is trusted."""

from __future__ import annotations

import math

import numpy as np

from everfit.models.portfolio import Offset
from everfit.spec import Refit
from everfit.upkeep.state import Mix, State

HALF_LIFE = 2.0  # of offsets, in batches
PRIOR_ROWS, PRIOR_INFORMATION = 200.0, 12.5  # that pull towards no offset
TRUST = 20.0
SMALL_SHARE, SMALL_MOVE, SMALL_ODDS = 0.1, 0.01, 0.03  # of weights, of the loss, of log-odds: not worth a new version


def mix_of(state: State, refit: Refit) -> Mix:
    """Return the mix that follows from what is known."""
    return Mix(weights(state, refit), offset(state, refit), trust(state))


def weights(state: State, refit: Refit) -> dict[str, float]:
    """Return each window's share in what is served: exp(-sharpness * (loss / lowest loss - 1)), made to sum to one."""
    known = {track.window: track.loss / track.seen for track in state.tracks if track.seen}
    if not known:
        return {track.window: float(at == 0) for at, track in enumerate(state.tracks)}
    best = max(min(known.values()), 1e-12)
    raw = {
        track.window: math.exp(-refit.sharpness * (known[track.window] / best - 1)) if track.window in known else 0.0
        for track in state.tracks
    }
    total = sum(raw.values())
    return {name: share / total for name, share in raw.items()}


def offset(state: State, refit: Refit) -> Offset:
    """Return what recent labels say that answers are off by, the latest batches first, pulled towards nothing.

    Batches that knew other classes than the latest say nothing.
    """
    if not refit.offset or not state.offsets:
        return 0.0
    latest = np.size(state.offsets[-1][0])
    pulled, total = PRIOR_ROWS if state.numbers else PRIOR_INFORMATION, 0.0
    for age, (off, known) in enumerate(reversed(state.offsets)):
        if np.size(off) == latest:
            share = 0.5 ** (age / HALF_LIFE) * np.asarray(known)
            pulled, total = pulled + share, total + share * np.asarray(off)
    said = np.asarray(total / pulled)
    return tuple(said.tolist()) if said.ndim else float(said)


def trust(state: State) -> float:
    """Return the share of the moved answer, by how it fared beside the plain one; half while nothing is known."""
    if not state.seen:
        return 0.5
    best = max(min(state.plain, state.moved), 1e-12)
    return 1 / (1 + math.exp(float(np.clip(TRUST * (state.moved - state.plain) / best, -30, 30))))


def differs(now: Mix, served: Mix, numbers: bool, loss: float) -> bool:
    """Say whether a mix answers otherwise than what is served by enough to matter."""
    moved = now.apart(served) >= (SMALL_MOVE * loss if numbers else SMALL_ODDS)
    return moved or any(
        abs(share - served.weights.get(name, 0.0)) >= SMALL_SHARE for name, share in now.weights.items()
    )
