"""A trial of another world: whether a model of its first rows alone answers the others far better than the old ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from everfit.models.classes import spread
from everfit.models.portfolio import said
from everfit.spec import Refit
from everfit.upkeep.gate import Newest
from everfit.upkeep.losses import Floats, classes_of, losses, mean_loss, truth_of
from everfit.upkeep.measuring import FEWEST
from everfit.upkeep.mixing import mix_of
from everfit.upkeep.state import State
from everfit.upkeep.windows import RECENT

SHARE = 0.5  # of the loss of the best old model, below which the new one is far better
LEVEL = 0.01


def tried(newest: Newest, state: State, refit: Refit, fit: Callable[[int], Any]) -> State:
    """Return the state with windows weighed by a trial, where another world began with the newest batch.

    Until the next labels they would be weighed by what their old models lost in it, of which each is as bad as the
    other. `fit` returns a model of so many first rows of the batch, which the others judge (one-sided paired test).
    """
    half = len(newest.y) // 2
    if state.since != 1 or half < FEWEST or not newest.fresh or (model := fit(half)) is None:
        return state
    classes = None if newest.classes is None else classes_of([model], newest.classes)
    truth = truth_of(newest.y[half:], classes)
    answers = {name: spread(known[half:], newest.classes, classes) for name, known in newest.members.items()}
    old = min(answers.values(), key=lambda said: mean_loss(said, truth, newest.squared))
    answers[RECENT] = said(model, newest.rows.iloc[half:], classes)
    if not _is_far_better(answers[RECENT], old, truth, squared=newest.squared):
        return state
    lost = {name: mean_loss(said, truth, newest.squared) for name, said in answers.items()}
    tracks = (replace(each, loss=lost[each.window], seen=1.0) if each.window in lost else each for each in state.tracks)
    after = replace(state, tracks=tuple(tracks))
    return replace(after, served=mix_of(after, refit))


def _is_far_better(new: Floats, old: Floats, truth: Floats, *, squared: bool) -> bool:
    if not mean_loss(new, truth, squared) < SHARE * mean_loss(old, truth, squared):
        return False
    gain = losses(old, truth, squared) - losses(new, truth, squared)
    return bool(np.ptp(gain) == 0 or stats.ttest_1samp(gain, 0.0, alternative="greater").pvalue < LEVEL)
