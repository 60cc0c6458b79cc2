"""The gate of a refit, which is fast and cheap: a model of all rows leaves none that could judge it.

Where the first labels after earlier refits of a window said that they helped, that is a record, and the next refit is
the same recipe. So is the share of a window whose model is a refit already: labels gave it before it answered. The
first refit of the model that a search made is proven by a twin that did not learn from the newest batch, unless the
window's share of the answers is too `SMALL` to do much harm until labels have judged it. A window whose refits did harm
is not given another fit to prove the next one: what it learns leaves out the newest batch, which judges it. Every refit
is judged once more by the first labels after it, and undone if it did harm (`advance`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from everfit.record import Record
from everfit.upkeep.losses import Floats
from everfit.upkeep.state import Track

DOUBT = 1.0  # standard errors by which earlier refits did harm, before the next one needs a proof of its own
LEVEL = 0.05
MARGIN = 0.05  # of the champion's loss, within which a fresh model counts as not worse
SMALL = 0.1  # of the answers: with less, a window can do little harm until labels have judged its refit


@dataclass(frozen=True)
class Proof(Record):
    """Whether a refitted model may take its window's place, and why."""

    ok: bool
    reason: str


def needs_twin(track: Track, share: float) -> bool:
    """Say whether labels have judged no refit of a window yet, on which much of the answers depends.

    `before` is the model that this refit replaces: 0 came with the champion, and all others are refits.
    """
    return not track.gains and not track.before and share >= SMALL


def in_doubt(track: Track) -> bool:
    """Say whether the window's refits that labels have judged did harm, beyond mere chance."""
    return track.gain < 0 and track.z < -DOUBT * math.sqrt(track.squares)


def not_worse(fresh: Floats, champion: Floats) -> str:
    """Return why losses on rows that were learnt from say that a fit has failed; nothing where they do not."""
    if not np.isfinite(fresh).all():
        return f"{int((~np.isfinite(fresh)).sum()):,} of its answers are no numbers"
    now, before = float(fresh.mean()), float(champion.mean())
    return f"worse on rows that it learnt from: {now:.4g} against {before:.4g}" if now > before * (1 + MARGIN) else ""


def prove(track: Track, fresh: Floats, champion: Floats, twin: Floats | None = None) -> Proof:
    """Judge a window's fresh model by losses on the rows of the newest labelled batch, one for each row.

    They are of what is served: by the `champion`, and by it with the `fresh` model, or its `twin`, in place of the
    window's old one, as a window may be bad alone and good in the blend; and they are `shape_losses`, as the offset is
    the old model's. `fresh` has learnt from these rows and must not be worse on them than the champion, or its fit has
    failed; `twin` learnt without them and must not be shown to be worse by more than the margin (one-sided paired
    test). Where `fresh` itself has learnt from none of these rows, it is its own twin.
    """
    if twin is not fresh and (why := not_worse(fresh, champion)):
        return Proof(False, why)
    if twin is None:
        gain = track.gain / track.gains if track.gains else 0.0
        return Proof(True, f"its record: {gain:+.1%} of the loss by earlier refits")
    level = float(champion.mean())
    worse = twin - champion - MARGIN * level
    p_value = float(stats.ttest_1samp(worse, 0.0, alternative="greater").pvalue) if np.ptp(worse) else 1.0
    said = f"without the newest batch it has {twin.mean():.4g} there, the champion {level:.4g} (p = {p_value:.2g})"
    return Proof(p_value > LEVEL, f"{'not worse' if p_value > LEVEL else 'worse'}: {said}")
