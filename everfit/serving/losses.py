"""Has the loss of a new version risen? Asked whenever the labels have doubled, at one level for all times together.

Labels come one after the other: who tests at 1 % whenever some have come finds a rise in the end where there is none.
Every service looks at the same labels, whenever it looks and however often it was started anew.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.01  # of all looks at a version together


@dataclass(frozen=True)
class Losses:
    """Mean losses of the old version's and the canary's labelled answers; `p_value` of a rise by chance alone."""

    before: float
    after: float
    labels: int
    p_value: float

    @property
    def rise(self) -> float:
        """The relative rise; from nothing to anything it has no bound."""
        return (self.after - self.before) / self.before if self.before else float("inf") * (self.after > 0)


def looked_at(labels: int, fewest: int) -> int:
    """Return how many labels are looked at: as many as there were when they had doubled last.

    >>> [looked_at(labels, 50) for labels in (49, 50, 99, 100, 399, 400)]
    [0, 50, 50, 100, 200, 400]
    """
    return fewest << (labels // fewest).bit_length() >> 1 if labels >= fewest else 0


def level_at(labels: int, fewest: int) -> float:
    """Return the level of a look at so many labels: those of all looks that may ever come add up to LEVEL.

    >>> [round(level_at(labels, 50) / LEVEL, 3) for labels in (50, 100, 200, 400)]
    [0.5, 0.167, 0.083, 0.05]
    """
    look = (labels // fewest).bit_length()
    return LEVEL / (look * (look + 1)) if look else 0.0
