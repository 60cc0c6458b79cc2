"""How the windows of a champion have shared its answers over the last decisions, as bars for a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everfit.upkeep.state import Mix, State

SHOWN = 40  # decisions
WIDTH, SHARES, MOVES, BETWEEN = 640.0, 96.0, 44.0, 6.0  # of the picture, and heights of its two parts
MIDDLE, HEIGHT = SHARES + BETWEEN + MOVES / 2, SHARES + BETWEEN + MOVES
GAP = 0.15  # of a step, between two bars

Past = Sequence[tuple[str, Mix]]


@dataclass(frozen=True)
class Bar:
    """A bar with what it says; `window` is the number of its window, None for an offset."""

    x: float
    y: float
    width: float
    height: float
    title: str
    window: int | None = None


@dataclass(frozen=True)
class Picture:
    """Weights as stacked bars, and by how much answers are moved as bars from a middle line; `most` is their scale."""

    windows: tuple[str, ...]
    bars: tuple[Bar, ...]
    most: float
    decisions: int


@dataclass(frozen=True)
class Standing:
    """A window as it stands: its share of the answers, the age of its model and its interval in labelled batches.

    The interval begins with the last refit, also with one that was undone: the model is older then.
    """

    window: str
    share: float
    age: int
    gap: float
    left: int
    gain: float | None


def history(judged: Iterable[Mapping[str, Any]]) -> list[tuple[str, Mix]]:
    """Return each batch and the mix that answered it, if it has one; `judged` are the ledger's facts, oldest first."""
    kept = [(facts["evidence"]["batch"], facts["evidence"].get("upkeep")) for facts in judged]
    return [(batch, Mix.from_dict(upkeep["served"])) for batch, upkeep in kept if upkeep]


def picture(past: Past) -> Picture | None:
    """Draw the last decisions, the newest at the right; None when there are fewer than two."""
    past = past[-SHOWN:]
    if len(past) < 2:
        return None
    windows = tuple(dict.fromkeys(name for _, mix in past for name in mix.weights))
    most = max(abs(mix.move) for _, mix in past)
    step = WIDTH / max(len(past), 8)  # few decisions leave room for more
    bars: list[Bar] = []
    for at, (batch, mix) in enumerate(past):
        bars += _shares(at * step, step * (1 - GAP), batch, mix, windows)
        bars += _move(at * step, step * (1 - GAP), batch, mix, most)
    return Picture(windows, tuple(bars), most, len(past))


def standings(state: State) -> list[Standing]:
    """Return how each window stands after the decision."""
    return [
        Standing(
            track.window,
            state.served.weights.get(track.window, 0.0),
            state.batches - track.fitted,
            track.gap,
            max(0, round(track.gap) - (state.batches - track.tried)),
            track.gain / track.gains if track.gains else None,
        )
        for track in state.tracks
    ]


def _shares(x: float, width: float, batch: str, mix: Mix, windows: tuple[str, ...]) -> list[Bar]:
    bars, top = [], 0.0
    for number, name in enumerate(windows):
        height = SHARES * mix.weights.get(name, 0.0)
        if height:
            title = f"batch {batch[:12]}: {mix.weights[name]:.0%} {name} rows"
            bars.append(Bar(round(x, 2), round(top, 2), round(width, 2), round(height, 2), title, number))
        top += height
    return bars


def _move(x: float, width: float, batch: str, mix: Mix, most: float) -> list[Bar]:
    """Draw an offset upwards when answers are made larger."""
    if not mix.move:
        return []
    height = MOVES / 2 * abs(mix.move) / most
    y = MIDDLE - height if mix.move > 0 else MIDDLE
    title = f"batch {batch[:12]}: answers moved by {mix.move:+.3g}"
    return [Bar(round(x, 2), round(y, 2), round(width, 2), round(height, 2), title)]
