"""When a window learns again: sooner where refits pay and where the loss jumps, later where they do not."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from everfit.spec import Refit
from everfit.upkeep.measuring import Measured, Paid
from everfit.upkeep.mixing import weights
from everfit.upkeep.state import Level, State, Track
from everfit.upkeep.windows import ALL, Window, windows_of

POOLED = 0.7  # how much of what earlier refits brought is remembered at the next
CLIP = 2.0  # standard errors that one refit counts for at most
STAY, PAID, PAID_SHARE = 0.5, 1.0, 0.01  # z below which intervals grow, above which they shrink, with such a gain
IGNORED = 0.05  # a window of less weight does not pay
ALARM, ALARM_RISE, USUAL_MEMORY = 3.0, 0.10, 0.8
FAR = 0.5  # of the usual loss, by which it has risen when rows of before say little of what comes
WORTH = 1.25  # standard errors beyond which refits are known to be worth it
OLD = 16  # batches, after which a version is too old to be compared with


def judged(track: Track, measured: Measured, known: Mapping[str, float], refit: Refit, *, jumped: bool) -> Track:
    """Let what the last refit brought, pooled with earlier ones, make the interval longer or shorter.

    One refit alone that paid may have been lucky, and shortens it only where the loss `jumped` a batch ago.
    """
    paid = measured.refits.get(track.window)
    if paid is None:
        return track
    track = _pooled(track, paid)
    z, gain = track.z / math.sqrt(track.squares), track.gain / track.gains
    window = _window(track.window, refit)
    if known[track.window] < IGNORED or z < STAY or gain < 0:
        return replace(track, gap=min(refit.slowest, track.gap * 2))
    if z > PAID and gain > PAID_SHARE and (track.gains > 1 or jumped):
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


def alarm(usual: Level | None, now: Level) -> tuple[bool, Level]:
    """Test one-sidedly (Welch) whether the loss has risen above what is usual since the last alarm, or since it fell.

    Return what is usual from now on as well. A level that is the lowest of many batches would be too low, and the test
    would speak far too often; one that began only after an alarm would take a loss that jumps then for usual.
    """
    if usual is None:
        return False, now
    rise, error = now.mean - usual.mean, math.sqrt(now.variance / now.rows + usual.variance / usual.rows) + 1e-12
    if rise > ALARM_RISE * usual.mean and rise / error > ALARM:
        return True, now
    return False, now if rise / error < -ALARM else usual.with_more(now, USUAL_MEMORY)


def is_far(usual: Level | None, now: Level) -> bool:
    """Say whether a loss that is loud is so high that another world has begun."""
    return usual is not None and now.mean > (1 + FAR) * usual.mean


def due(
    state: State, loud: bool, refit: Refit, undone: Collection[str] = ()
) -> tuple[State, tuple[str, ...], tuple[str, ...]]:
    """Return the state after windows have learnt again that do so now, which these are, and why, or why none does.

    A loss that is `loud` only wakes windows that have backed off; with another world an alert one learns at once. Where
    the refit of a window was `undone` that has made the loss loud, and the model of before mends it.
    """
    now, tracks, names, reasons = weights(state, refit), [], [], []
    for track in state.tracks:
        window = _window(track.window, refit)
        if state.worth >= WORTH and now[track.window] >= IGNORED:
            track = replace(track, gap=min(track.gap, window.cap))
        anew = window.alert and state.since == 1
        woken = anew or (loud and track.gap > window.cap and track.window not in undone)
        if woken:
            track = replace(track, gap=min(track.gap, window.cap))
        age = state.batches - track.tried
        if age >= round(track.gap) or (woken and window.alert):
            names.append(track.window)
            reasons.append(_why(track, age, woken=woken, anew=anew))
            track = replace(track, before=track.fitted, fitted=state.batches, tried=state.batches)
        tracks.append(track)
    after = replace(state, tracks=tuple(tracks), fits=fits_after(state, names))
    return after, tuple(names), tuple(reasons) or (_quiet(after),)


def fits_after(state: State, windows: Collection[str]) -> tuple[int, ...]:
    """Return when the window of all rows learnt, now that windows do; what is too old to compare with is forgotten."""
    now = state.batches
    fits = (*state.fits, now) if ALL in windows and now not in state.fits else state.fits
    return tuple(fit for fit in fits if now - fit <= OLD) or fits[-1:]


def _why(track: Track, age: int, *, woken: bool, anew: bool) -> str:
    if anew:
        return f"the loss jumped far, and the model of {track.window} rows learns anew from what came since"
    if woken:
        return f"the loss jumped, and the model of {track.window} rows has backed off from refits"
    if not track.tried:
        return f"the model of {track.window} rows has yet to be refitted: {track.gap:g} batch(es) is its interval"
    return f"the last refit of the model of {track.window} rows was {age} batch(es) ago: {track.gap:g} is its interval"


def _quiet(state: State) -> str:
    nearest = min(state.tracks, key=lambda track: track.tried + track.gap)
    left = max(1, round(nearest.tried + nearest.gap - state.batches))
    return f"no refit is due: the next one, of {nearest.window} rows, in {left} batch(es)"


def _window(name: str, refit: Refit) -> Window:
    return next(window for window in windows_of(refit) if window.name == name)
