"""What each action is expected to gain and to cost, from what is known; and where nothing is, that nothing is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from everfit.monitor.evidence import Action, Evidence
from everfit.record import Record
from everfit.upkeep.state import State, Track


@dataclass(frozen=True)
class Prospect(Record):
    """What one action promises. `gain` is a share of the loss, and `seconds` what it takes; None where not known."""

    action: Action
    expects: str
    gain: float | None = None
    seconds: float | None = None

    @property
    def cost(self) -> str:
        """The cost in words."""
        if self.action == "none":
            return "nothing"
        if self.seconds is not None:
            return f"about {_lasting(self.seconds)}"
        return "no fit" if self.action == "recalibrate" else "not known: none was timed yet"


def prospects(evidence: Evidence, after: State | None) -> tuple[Prospect, ...]:
    """Return what to expect of doing nothing and of each way to a new version; `after` knows this batch's labels."""
    said = {
        "none": _of_nothing(evidence),
        "recalibrate": _of_recalibration(after),
        "refit": _of_refits(after),
        "search": _of_search(evidence),
    }
    actions: tuple[Action, ...] = ("none", "recalibrate", "refit", "search")
    return tuple(Prospect(action, *said[action], evidence.costs.get(action)) for action in actions)


def _of_nothing(evidence: Evidence) -> tuple[str, float | None]:
    loss = evidence.performance
    if loss is None or loss.effect is None:
        return "not known: too few labels say how high the loss is", None
    if evidence.risen and loss.effect > 0:
        return f"the loss stays about {loss.effect:.0%} above what the champion was promoted with", 0.0
    return f"the loss stays where it is: {loss.effect:+.0%} since promotion is no rise that counts", 0.0


def _of_recalibration(after: State | None) -> tuple[str, float | None]:
    """Say how answers that were moved by an offset have fared beside plain ones, of late."""
    if after is None or not after.seen or not after.plain:
        return "not known: no moved answers have been compared with plain ones yet", None
    if after.plain == after.moved:
        return "not known: no answers were moved of late", None
    gain = 1 - after.moved / after.plain
    return f"of late, moved answers had a loss {_lower(gain)} than plain ones", round(gain, 4)


def _of_refits(after: State | None) -> tuple[str, float | None]:
    """Say what earlier refits of each window brought, pooled."""
    known = [track for track in after.tracks if track.gains] if after else []
    if not known:
        return "not known: no refit of this champion has been compared with what it replaced yet", None
    gains = {track.window: track.gain / track.gains for track in known}
    said = ", ".join(f"{_lower(gains[track.window])} ({track.window} rows, z = {_z(track):.1f})" for track in known)
    return f"earlier refits brought a loss {said}", round(max(gains.values()), 4)


def _of_search(evidence: Evidence) -> tuple[str, float | None]:
    loss = evidence.performance
    if evidence.risen and loss and loss.effect:
        return f"not known before it has run; what the loss has risen by, {loss.effect:.0%}, is about the most", None
    return "not known before it has run, and nothing says that the pipeline is the wrong one", None


def _z(track: Track) -> float:
    return track.z / math.sqrt(track.squares)


def _lower(gain: float) -> str:
    return f"{abs(gain):.1%} {'lower' if gain >= 0 else 'higher'}"


def _lasting(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
