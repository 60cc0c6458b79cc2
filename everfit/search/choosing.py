"""Which candidates answer together, so that one row takes no longer than it may."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

from everfit.search import finish
from everfit.search.blending import ROWS, Said
from everfit.search.postprocessing import Postprocessing
from everfit.search.tasks import Limits, Outcome, Problem

CHOICES = 3  # of members, before the best alone is taken
FEW = 3  # models of a bag, which have most of what it gains
BAGGING = 0.03  # of the error, which a large bag takes away, more or less: what was not fitted cannot say

Weights = Mapping[int, float]


@dataclass
class Choosing:
    """The choice of members among candidates, the best first, within limits; it ends at `until` (monotonic seconds).

    Of a candidate with a model for each fold some may be enough, where all of them would be too slow beside others.

    Then nothing more is timed, and what is too slow gives way to the best that should be fast enough by itself; members
    that are fitted already do so only for a limit that somebody said.

    Without a limit of time nothing is timed, so that the choice is the same on any machine.
    """

    problem: Problem
    folder: Path
    candidates: Sequence[Outcome]
    limits: Limits
    until: float

    @cached_property
    def _given(self) -> Said:
        return finish.said(self.problem, self.folder, self.candidates, most=ROWS)

    def weights(self) -> Weights:
        """Return the members' weights.

        Costs that were measured one by one may add up to less than what members really take together for one row; the
        choice is then made again, by as much more strictly, and in the end for one of the candidates alone.
        """
        stricter = self.limits
        for _ in range(CHOICES):
            weights = self._chosen(stricter)
            ms = self._milliseconds(weights)
            if ms <= self.limits.ms:
                return weights
            if self._late():
                break
            stricter = replace(stricter, ms=0.9 * stricter.ms * self.limits.ms / ms)
        return self._alone()

    def _chosen(self, limits: Limits) -> Weights:
        """Choose members for bags of one model, of a few and of all; those of the lowest error answer.

        Each choice is then given as many models as the limits allow. Where those are all, nothing can be better.
        """
        full = max(1, *(len(each.folds) for each in self.candidates))
        found: list[tuple[float, int, Weights]] = []
        for size in sorted({1, min(FEW, full), full}):
            if found and self._late():
                break
            weights: Weights = finish.choose(self.problem, self._given, self._bags(size), limits, self.until)
            most = max([size, *(more for more in range(1, full + 1) if self._price(weights, more, limits) <= 1)])
            if most == full and not found:
                found = [(0.0, full, weights)]
                break
            error = self._given.error_of(weights)
            found.append((error * (1 - BAGGING * (1 - 1 / most)), most, weights))
        _, most, best = min(found, key=lambda each: each[0])
        self.candidates = self._bags(most)
        return best

    def _bags(self, size: int) -> list[Outcome]:
        return [replace(each, bag=size) for each in self.candidates]

    def _price(self, weights: Weights, size: int, limits: Limits) -> float:
        bags = [each for each in self._bags(size) if each.number in weights]
        return finish.price_of(self.problem, bags, limits)

    def _alone(self) -> Weights:
        """Return the best of the candidates that keep within the limits; the fastest where none does.

        Each has as many models as should be fast enough.
        """
        self.candidates = [self._sized(each) for each in self.candidates]
        small = [each for each in self.candidates if finish.costs(self.problem, [each])[1] <= self.limits.mb]
        taken: dict[int, float] = {}
        for each in small or self.candidates:
            if self._late():
                fast = [one for one in small or self.candidates if self._cost(one) <= self.limits.ms]
                return {fast[0].number if fast else min(small or self.candidates, key=self._cost).number: 1.0}
            taken[each.number] = self._milliseconds({each.number: 1.0})
            if taken[each.number] <= self.limits.ms:
                break
        return {min(taken, key=lambda number: taken[number]): 1.0}

    def _sized(self, each: Outcome) -> Outcome:
        bags = [replace(each, bag=size) for size in range(1, len(each.folds) + 1)]
        allowed = [bag for bag in bags if finish.price_of(self.problem, [bag], self.limits) <= 1]
        return allowed[-1] if allowed else replace(each, bag=1)

    def _late(self) -> bool:
        return clock.monotonic() > self.until

    def _cost(self, each: Outcome) -> float:
        return finish.costs(self.problem, [each])[0]

    def _milliseconds(self, weights: Weights) -> float:
        if self.limits.ms == inf:
            return 0.0
        made = finish.pipeline(self.problem, self.folder, self.members(weights), weights, {})
        return finish.milliseconds(made, self.problem)

    def members(self, weights: Weights) -> list[Outcome]:
        """Return the members themselves."""
        return [each for each in self.candidates if each.number in weights]

    def assembled(self, weights: Weights, fitted: Mapping[int, Outcome]) -> tuple[Weights, Postprocessing, Any, float]:
        """Return the members' weights, their postprocessing, the pipeline, and its milliseconds for one row.

        `fitted` are models of all rows. They may be slower than those of the folds by which they were chosen: the
        slowest member then goes, and the choice is made among the rest, until the limit is kept or one is left.
        """
        self.candidates = [replace(each, model_ms=fitted[each.number].model_ms) if each.number in fitted else each
                           for each in self.candidates]  # fmt: skip
        files = {number: each.model for number, each in fitted.items()}
        while True:
            members = self.members(weights)
            how = finish.postprocessing(self.problem, self.folder, members, weights)
            made = finish.pipeline(self.problem, self.folder, members, weights, files, how)
            ms = finish.milliseconds(made, self.problem) if self.limits.ms < inf else 0.0
            late = self._late()
            if ms <= self.limits.ms or len(members) == 1 or (late and not self.limits.said):
                return weights, how, made, ms
            if late:
                weights = {min(members, key=self._cost).number: 1.0}
                continue
            members.remove(max(members, key=self._cost))
            given = finish.said(self.problem, self.folder, members, most=ROWS)
            weights = finish.choose(self.problem, given, members, self.limits, self.until)
