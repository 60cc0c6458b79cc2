"""The windows of the past that a champion learns from side by side."""

from __future__ import annotations

from dataclasses import dataclass

from everfit.spec import Refit

ALL, RECENT = "all", "recent"


@dataclass(frozen=True)
class Window:
    """Which rows a member learns from, and how often it may: intervals are in labelled batches.

    `batches` of the latest, or all when None. It begins with a refit every `start` batches; none comes sooner than
    `fewest` after the last, nor later than `cap` while refits are known to be worth it. A `light` member has smaller
    trees, and an `alert` one learns again at once when the loss jumps.
    """

    name: str
    batches: int | None = None
    start: int = 4
    fewest: int = 4
    cap: int = 8
    light: bool = False
    alert: bool = False

    def rows(self, batch: int, since: int | None = None) -> int | None:
        """Return how many of the last rows it learns from, when a batch has so many; None is all.

        Where another world began `since` batches ago, a window of some batches holds none from before.
        """
        return None if self.batches is None else min(self.batches, since or self.batches) * batch


def windows_of(refit: Refit) -> tuple[Window, ...]:
    """Return the windows of a policy: all rows, refitted now and then, and the latest batches, refitted often."""
    whole = Window(ALL)
    if not refit.recent:
        return (whole,)
    return whole, Window(RECENT, refit.recent, start=2, fewest=1, cap=2, light=True, alert=True)
