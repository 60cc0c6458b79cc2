"""The policy: from the state before a labelled batch and what was measured on it, the state after and what is due."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from everfit.record import Record
from everfit.spec import Refit
from everfit.upkeep.measuring import Measured, Paid
from everfit.upkeep.state import Level, Mix, State, Track
from everfit.upkeep.windows import ALL, Window, windows_of

POOLED = 0.7  # how much of what earlier refits brought is remembered at the next
CLIP = 2.0  # standard errors that one refit counts for at most
STAY, PAID, PAID_SHARE = 0.5, 1.0, 0.01  # z below which intervals grow, above which they shrink, with such a gain
IGNORED = 0.05  # a window of less weight does not pay
WORTH, WORTH_MEMORY, WORTH_CLIP = 1.25, 0.8, 3.0
ALARM, ALARM_RISE, USUAL_MEMORY = 3.0, 0.10, 0.8
HALF_LIFE, BATCHES = 2.0, 6  # of offsets, in batches
PRIOR_ROWS, PRIOR_INFORMATION = 200.0, 12.5  # that pull towards no offset
TRUST = 20.0
FADE = 0.7
SMALL_SHARE, SMALL_MOVE, SMALL_ODDS = 0.1, 0.01, 0.03  # of weights, of the loss, of log-odds: not worth a new version
HARM, HARM_SHARE = 3.0, 0.05  # z and share of the loss by which a refit that made answers worse is undone
BETTER = "by recent labels, other weights or another offset of the same models are better"
OLD = 16  # batches, after which a version is too old to be compared with


@dataclass(frozen=True)
class Plan(Record):
    """What is due: windows to refit, or other weights or another offset for the same models; and why, or why not.

    A window to `restore` goes back to the model that its last refit replaced, which is no fit: alone it is one more way
    to recalibrate.
    """

    refit: tuple[str, ...]
    recalibrate: bool
    reasons: tuple[str, ...]
    refits: bool = True  # whether refits are part of the policy at all
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
    at, known = state.batches + 1, weights(state, refit)
    tracks = [_judged(_scored(track, measured, refit), measured, known, refit) for track in state.tracks]
    alarm, usual = _alarm(state.usual, measured.served)
    after = replace(
        state,
        batches=at,
        tracks=tuple(tracks),
        usual=usual,
        worth=_worth(state.worth, measured.worth),
        offsets=(*state.offsets, (measured.offset, measured.information))[-BATCHES:],
        plain=FADE * state.plain + measured.plain,
        moved=FADE * state.moved + measured.moved,
        seen=FADE * state.seen + 1,
        risen=state.risen + 1 if risen else 0,
    )
    after, undone = _undone(after, measured, refit)
    if not refit.auto:
        return after, Plan((), False, ("refit.auto is false",), refits=False)
    after, plan = _due(after, alarm or risen, refit)
    mix = Mix(weights(after, refit), offset(after, refit), trust(after))
    far = _far(mix, state.served, after.numbers, measured.plain)
    if plan.refit or far:
        after = replace(after, served=mix)
    again = tuple(name for name in undone if name not in plan.refit)
    because = tuple(_because(name, measured.refits[name]) for name in again)
    if plan.refit:
        return after, replace(plan, restore=again, reasons=(*because, *plan.reasons))
    said = (BETTER,) if far else () if again else plan.reasons
    return after, replace(plan, recalibrate=bool(far or again), restore=again, reasons=(*because, *said))


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


def offset(state: State, refit: Refit) -> float:
    """Return what recent labels say that answers are off by, the latest batches first, pulled towards nothing."""
    if not refit.offset or not state.offsets:
        return 0.0
    ages = range(len(state.offsets) - 1, -1, -1)
    shares = [float(0.5 ** (age / HALF_LIFE)) * known for age, (_, known) in zip(ages, state.offsets, strict=True)]
    pulled = sum(shares, PRIOR_ROWS if state.numbers else PRIOR_INFORMATION)
    return sum(share * off / pulled for share, (off, _) in zip(shares, state.offsets, strict=True))


def trust(state: State) -> float:
    """Return the share of the moved answer, by how it fared beside the plain one; half while nothing is known."""
    if not state.seen:
        return 0.5
    best = max(min(state.plain, state.moved), 1e-12)
    return 1 / (1 + math.exp(float(np.clip(TRUST * (state.moved - state.plain) / best, -30, 30))))


def _worth(before: float, now: float | None) -> float:
    if now is None:
        return before
    return WORTH_MEMORY * before + (1 - WORTH_MEMORY) * float(np.clip(now, -WORTH_CLIP, WORTH_CLIP))


def _far(now: Mix, served: Mix, numbers: bool, loss: float) -> bool:
    """Say whether a mix answers otherwise than what is served by enough to matter."""
    moved = abs(now.move - served.move) >= (SMALL_MOVE * loss if numbers else SMALL_ODDS)
    return moved or any(
        abs(share - served.weights.get(name, 0.0)) >= SMALL_SHARE for name, share in now.weights.items()
    )


def _scored(track: Track, measured: Measured, refit: Refit) -> Track:
    loss = measured.losses.get(track.window)
    if loss is None:
        return track
    return replace(track, loss=refit.memory * track.loss + loss, seen=refit.memory * track.seen + 1)


def _judged(track: Track, measured: Measured, known: Mapping[str, float], refit: Refit) -> Track:
    """Let what the last refit brought, pooled with earlier ones, make the interval longer or shorter."""
    paid = measured.refits.get(track.window)
    if paid is None:
        return track
    track = _pooled(track, paid)
    z, gain = track.z / math.sqrt(track.squares), track.gain / track.gains
    window = _window(track.window, refit)
    if known[track.window] < IGNORED or z < STAY or gain < 0:
        return replace(track, gap=min(refit.slowest, track.gap * 2))
    if z > PAID and gain > PAID_SHARE:
        return replace(track, gap=max(window.fewest, track.gap / 2))
    return track


def _pooled(track: Track, paid: Paid) -> Track:
    return replace(
        track,
        gain=POOLED * track.gain + float(np.clip(paid.gain, -0.1, 0.1)),
        z=POOLED * track.z + float(np.clip(paid.z, -CLIP, CLIP)),
        squares=POOLED**2 * track.squares + 1,
        gains=POOLED * track.gains + 1,
    )


def _undone(state: State, measured: Measured, refit: Refit) -> tuple[State, tuple[str, ...]]:
    """Undo the refits that made answers worse beyond chance; the others need their model of before no longer."""
    harmed = {name for name, paid in measured.refits.items() if paid.z < -HARM and paid.gain < -HARM_SHARE}
    names = tuple(track.window for track in state.tracks if track.window in harmed and track.before is not None)
    names = names if refit.auto else ()
    state = undo(state, names, refit)
    return replace(state, tracks=tuple(replace(track, before=None) for track in state.tracks)), names


def _because(name: str, paid: Paid) -> str:
    worse = f"made answers worse by {-paid.gain:.0%} of the loss (z = {paid.z:.1f})"
    return f"the last refit of the model of {name} rows {worse}: the model before answers again"


def _alarm(usual: Level | None, now: Level) -> tuple[bool, Level | None]:
    """Test one-sidedly (Welch) whether the loss has risen above what is usual since the last alarm, or since it fell.

    A level that is the lowest of many batches would be too low, and the test would speak far too often.
    """
    if usual is None:
        return False, now
    rise, error = now.mean - usual.mean, math.sqrt(now.variance / now.rows + usual.variance / usual.rows) + 1e-12
    if rise > ALARM_RISE * usual.mean and rise / error > ALARM:
        return True, None
    return False, now if rise / error < -ALARM else usual.with_more(now, USUAL_MEMORY)


def _due(state: State, alarm: bool, refit: Refit) -> tuple[State, Plan]:
    """Say which windows learn again now. An alarm only wakes windows that have backed off."""
    now, tracks, due, reasons = weights(state, refit), [], [], []
    for track in state.tracks:
        window = _window(track.window, refit)
        if state.worth >= WORTH and now[track.window] >= IGNORED:
            track = replace(track, gap=min(track.gap, window.cap))
        woken = alarm and track.gap > window.cap
        if woken:
            track = replace(track, gap=window.cap)
        age = state.batches - track.tried
        if age >= round(track.gap) or (woken and window.alert):
            due.append(track.window)
            reasons.append(_why(track, age, woken))
            track = replace(track, before=track.fitted, fitted=state.batches, tried=state.batches)
        tracks.append(track)
    fits = (*state.fits, state.batches) if ALL in due else state.fits
    kept = tuple(fit for fit in fits if state.batches - fit <= OLD) or fits[-1:]
    after = replace(state, tracks=tuple(tracks), fits=kept)
    return after, Plan(tuple(due), False, tuple(reasons) or (_quiet(after),))


def _why(track: Track, age: int, woken: bool) -> str:
    if woken:
        return f"the loss jumped, and the model of {track.window} rows has backed off from refits"
    return f"the last refit of the model of {track.window} rows was {age} batch(es) ago: {track.gap:g} is its interval"


def _quiet(state: State) -> str:
    nearest = min(state.tracks, key=lambda track: track.tried + track.gap)
    left = max(1, round(nearest.tried + nearest.gap - state.batches))
    return f"no refit is due: the next one, of {nearest.window} rows, in {left} batch(es)"


def _window(name: str, refit: Refit) -> Window:
    return next(window for window in windows_of(refit) if window.name == name)
