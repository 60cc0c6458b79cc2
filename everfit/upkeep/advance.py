"""The policy: from the state before a labelled batch and what was measured on it, the state after and what is due."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from everfit.record import Record
from everfit.spec import Refit
from everfit.upkeep.due import WORTH, alarm, due, is_far, judged
from everfit.upkeep.measuring import Measured, Paid
from everfit.upkeep.mixing import differs, mix_of, weights
from everfit.upkeep.state import Mix, State, Track
from everfit.upkeep.windows import ALL, RECENT, windows_of

WORTH_MEMORY, WORTH_CLIP = 0.8, 3.0
FADE = 0.7
BATCHES = 6  # whose offsets are remembered
HARM, HARM_SHARE = 3.0, 0.05  # z and share of the loss by which a refit that made answers worse is undone
BETTER = "by recent labels, other weights or another offset of the same models are better"


@dataclass(frozen=True)
class Plan(Record):
    """What is due: windows to refit, or other weights or another offset for the same models; and why, or why not.

    A window to `restore` goes back to the model that its last refit replaced, which is no fit: alone it is one more way
    to recalibrate.
    """

    refit: tuple[str, ...]
    recalibrate: bool
    reasons: tuple[str, ...]
    restore: tuple[str, ...] = ()


def begin(refit: Refit, task: str) -> State:
    """Return the state of a champion that nobody has seen labels for: refits count as worth it until shown not to be.

    Its weight is all on the window of all rows.
    """
    tracks = tuple(Track(window.name, window.start) for window in windows_of(refit))
    alone = Mix({track.window: float(track.window == ALL) for track in tracks})
    return State(tracks, alone, numbers=task == "regression", worth=WORTH)


def advance(state: State, measured: Measured | None, refit: Refit, *, risen: bool = False) -> tuple[State, Plan]:
    """Return the state after a labelled batch, as if what is due were done, and what that is.

    `risen` says that the loss is above what the champion was promoted with: that wakes windows which have backed off.
    Nothing measured changes nothing. When what is due does not take place, go on from what `not_done` returns.
    """
    if measured is None:
        return state, Plan((), False, ("too few labelled rows to judge",))
    loud, after = _measured(state, measured, refit, risen=risen)
    after, undone = _undone(after, measured, refit)
    if not refit.auto:
        return after, Plan((), False, ("refit.auto is false",))
    after, learns, why = due(after, loud or risen, refit, undone)
    mix = mix_of(after, refit)
    far = differs(mix, state.served, after.numbers, measured.plain)
    if learns or far:
        after = replace(after, served=mix)
    back = tuple(name for name in undone if name not in learns)
    because = tuple(_because(name, measured.refits[name]) for name in back)
    if not learns:
        why = (BETTER,) if far else () if back else why
    return after, Plan(learns, not learns and bool(far or back), (*because, *why), back)


def _measured(state: State, measured: Measured, refit: Refit, *, risen: bool) -> tuple[bool, State]:
    """Return whether the loss jumped, and the state that knows of this batch."""
    known = weights(state, refit)
    loud, usual = alarm(state.usual, measured.served)
    jumped = 0 < state.alarmed == state.batches  # at the batch before
    after = replace(
        state,
        batches=state.batches + 1,
        tracks=tuple(
            judged(_scored(track, measured, refit), measured, known, refit, jumped=jumped) for track in state.tracks
        ),
        usual=usual,
        alarmed=state.batches + 1 if loud else state.alarmed,
        worth=_worth(state.worth, measured.worth),
        offsets=(*state.offsets, (measured.offset, measured.information))[-BATCHES:],
        plain=FADE * state.plain + measured.plain,
        moved=FADE * state.moved + measured.moved,
        seen=FADE * state.seen + 1,
        risen=state.risen + 1 if risen else 0,
    )
    if loud and is_far(state.usual, measured.served) and RECENT not in _harmed(measured):
        return loud, _in_another_world(after, measured)
    if after.since and (after.since > refit.recent or _is_the_old_one(measured)):
        after = replace(after, jumped=None)
    return loud, after


def _in_another_world(state: State, measured: Measured) -> State:
    """Return the state that forgets what windows lost, and offsets mended, before: nothing of it holds any more."""
    tracks = tuple(
        replace(track, loss=measured.losses.get(track.window, 0.0), seen=float(track.window in measured.losses))
        for track in state.tracks
    )
    return replace(state, tracks=tracks, jumped=state.batches, offsets=(), plain=0.0, moved=0.0, seen=0.0)


def _is_the_old_one(measured: Measured) -> bool:
    """Say whether what the short window learnt last made answers worse: another world was a passing thing."""
    paid = measured.refits.get(RECENT)
    return paid is not None and paid.gain < 0


def not_done(state: State, before: State) -> State:
    """Return the state when what was due did not take place: models and mix are those of before."""
    tracks = (_put_back(track, before.track(track.window)) for track in state.tracks)
    return replace(state, tracks=tuple(tracks), fits=before.fits, served=before.served)


def _put_back(track: Track, old: Track) -> Track:
    """Return a track with the model of before; one that did harm is compared again, or nothing would undo it."""
    if track.fitted == old.fitted:
        return track
    harmed = old.before is not None and old.before in (track.fitted, track.before)
    if not harmed:
        return replace(track, fitted=old.fitted, tried=old.tried, before=None)
    return replace(track, fitted=old.fitted, tried=old.tried, before=old.before, gap=old.gap)


def undo(state: State, windows: Collection[str], refit: Refit) -> State:
    """Return the state after the refits of some windows turned out to be of no use: each has its model of before.

    The interval to their next one is twice as long; while refits are known to be worth it, the next labels cut it down
    to what is usual then. The model of before must not have been compared and forgotten yet.
    """
    fits, tracks = state.fits, []
    for track in state.tracks:
        if track.window in windows and track.before is not None:
            if track.window == ALL:
                fits = tuple(fit for fit in fits if fit != track.fitted) or (track.before,)
            gap = min(refit.slowest, track.gap * 2)
            track = replace(track, fitted=track.before, before=None, gap=gap)
        tracks.append(track)
    return replace(state, tracks=tuple(tracks), fits=fits)


def _worth(before: float, now: float | None) -> float:
    if now is None:
        return before
    return WORTH_MEMORY * before + (1 - WORTH_MEMORY) * float(np.clip(now, -WORTH_CLIP, WORTH_CLIP))


def _scored(track: Track, measured: Measured, refit: Refit) -> Track:
    loss = measured.losses.get(track.window)
    if loss is None:
        return track
    return replace(track, loss=refit.memory * track.loss + loss, seen=refit.memory * track.seen + 1)


def _undone(state: State, measured: Measured, refit: Refit) -> tuple[State, tuple[str, ...]]:
    """Undo the refits that made answers worse beyond chance; the others need their model of before no longer."""
    harmed = _harmed(measured)
    names = tuple(track.window for track in state.tracks if track.window in harmed and track.before is not None)
    names = names if refit.auto else ()
    state = undo(state, names, refit)
    return replace(state, tracks=tuple(replace(track, before=None) for track in state.tracks)), names


def _harmed(measured: Measured) -> set[str]:
    """Return the windows whose last refits made answers worse beyond chance."""
    return {name for name, paid in measured.refits.items() if paid.z < -HARM and paid.gain < -HARM_SHARE}


def _because(name: str, paid: Paid) -> str:
    worse = f"made answers worse by {-paid.gain:.0%} of the loss (z = {paid.z:.1f})"
    return f"the last refit of the model of {name} rows {worse}: the model before answers again"
