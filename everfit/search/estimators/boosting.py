"""What all kinds of boosted trees share."""

from __future__ import annotations

import time
from typing import ClassVar

from everfit.features import Style
from everfit.search.estimators.base import Family, Job, Params


class Boosting(Family):
    """Boosted trees, whose number of `rounds` is learnt by early stopping."""

    style: ClassVar[Style] = "tree"
    bags = True
    scales = True

    def grown(self, learnt: Params, times: float) -> Params:
        """Return more rounds for more rows, as boosting overfits later on them."""
        return learnt | {"rounds": round(learnt["rounds"] * times**0.3)}

    def quick(self, job: Job) -> Params:
        """Return the defaults for eighty rounds."""
        return self.defaults(job) | {"rounds": 80}


class Clock:
    """Tells when a fit that began now has had its seconds."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether they have passed."""
        return time.monotonic() >= self.until


def rate(job: Job) -> float:
    """Return a learning rate that is done with the rounds that there is time for, and no higher than it has to be."""
    return round(min(0.15, max(0.05, 50 / job.rounds)), 3)


def patience(params: Params) -> int:
    """Return how many rounds without progress end a fit: the smaller the steps, the more of them."""
    return max(40, round(2.5 / float(params["learning_rate"])))
