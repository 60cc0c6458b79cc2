"""The state when refits took place that the policy had not asked for just now, or when it has other windows by now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from everfit.spec import Refit
from everfit.upkeep.advance import begin, not_done, undo
from everfit.upkeep.due import fits_after
from everfit.upkeep.mixing import mix_of
from everfit.upkeep.state import Mix, State, Track
from everfit.upkeep.windows import ALL, windows_of


def done(state: State, windows: Collection[str], refit: Refit, restore: Collection[str] = ()) -> State:
    """Return the state after windows have learnt again now or were restored, and the mix follows what is known.

    A window goes back only to a model that it is still compared with.
    """
    state, now = undo(state, restore, refit), state.batches
    tracks = (
        replace(track, before=track.fitted if track.fitted < now else None, fitted=now, tried=now)
        if track.window in windows else track for track in state.tracks
    )  # fmt: skip
    return replace(state, tracks=tuple(tracks), fits=fits_after(state, windows), served=mix_of(state, refit))


def refused(state: State, before: State, windows: Collection[str], refit: Refit) -> State:
    """Return the state when what was done was judged and does not take over, and so what was before goes on.

    Its windows are not due again at once: they were tried now.
    """
    return not_done(undo(state, windows, refit), before)


def fitting(state: State, refit: Refit, task: str) -> State:
    """Return the state for the windows that the policy has now: those that it knew go on, new ones begin."""
    wanted = {window.name for window in windows_of(refit)}
    if wanted == {track.window for track in state.tracks}:
        return state
    known, fresh = {track.window: track for track in state.tracks}, begin(refit, task)
    tracks = tuple(known.get(track.window, track) for track in fresh.tracks)
    served = {name: share for name, share in state.served.weights.items() if name in wanted and share}
    shares = {track.window: served.get(track.window, 0.0) / sum(served.values()) for track in tracks} if served else {}
    return replace(state, tracks=tracks, served=replace(state.served, weights=shares or fresh.served.weights))


def carried(measured: State, models: State) -> State:
    """Return what was measured while other models of the same search answered, with the models and the mix of these."""
    ours = {track.window: track for track in models.tracks}
    tracks = (
        replace(track, fitted=now.fitted, tried=now.tried, before=now.before)
        if (now := ours.get(track.window)) else track for track in measured.tracks
    )  # fmt: skip
    return replace(measured, tracks=tuple(tracks), fits=models.fits, served=models.served)


def taken_back(state: State, windows: Collection[str], refit: Refit) -> State:
    """Return the state after a person took refits back: their windows wait, from now and twice as long."""
    tracks = (
        replace(track, tried=state.batches, gap=min(refit.slowest, track.gap * 2))
        if track.window in windows else track for track in state.tracks
    )  # fmt: skip
    return replace(state, tracks=tuple(tracks))


def inherited(state: State) -> State:
    """Return the state of the model that another search has made, which takes the champion's place with its windows.

    It begins with the one model of all rows. What labels have said of windows and of the offset holds for any pipeline
    of these rows, and goes on; what refits have brought does not, so that the first ones are proven by their twins.
    """
    tracks = tuple(
        Track(track.window, track.gap, tried=track.tried, loss=track.loss, seen=track.seen) for track in state.tracks
    )
    alone = Mix({track.window: float(track.window == ALL) for track in tracks})
    return replace(state, tracks=tracks, fits=(0,), served=alone, risen=0)
