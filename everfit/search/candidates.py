"""What a search has found so far: every outcome, and the models that could still be in the blend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from everfit.search import shelf
from everfit.search.tasks import SCOUT, Outcome, Problem

KEPT = 12  # candidates whose models are kept for the blend, beside the best of each family


class Candidates:
    """All outcomes in the order in which they came, and those with models on disk (`kept`) by their numbers."""

    def __init__(self, problem: Problem, folder: Path) -> None:
        self.problem, self.folder = problem, folder
        self.outcomes: list[Outcome] = []
        self.kept: dict[int, Outcome] = {}

    def add(self, outcome: Outcome) -> None:
        """Take note of an outcome; remove the models that it puts out of the question."""
        self.outcomes.append(outcome)
        if outcome.status in ("failed", "timed out"):
            shelf.clear(self.folder, outcome.number, self.problem.first)
        if outcome.status != "done" or not shelf.holds(self.folder, outcome.number):  # or was put out of it before
            return
        self.kept[outcome.number] = outcome
        if outcome.number != SCOUT and SCOUT in self.kept:  # it was there for want of anything better
            shelf.clear(self.folder, SCOUT, self.kept.pop(SCOUT).folds)
        ranked = self.ranked()
        firsts = {each.family: each.number for each in reversed(ranked)}
        for each in ranked[KEPT:]:
            if each.number not in firsts.values():
                del self.kept[each.number]
                shelf.clear(self.folder, each.number, each.folds)

    def wants(self, outcome: Outcome) -> bool:
        """Whether an outcome would be kept, if its models were here."""
        better = [each for each in self.kept.values() if self._place(each) < self._place(outcome)]
        return len(better) < KEPT or outcome.family not in {each.family for each in better}

    def join(self, outcome: Outcome) -> None:
        """Let what a kept candidate did on another fold be part of it; its score stays that of the folds of all."""
        before = self.kept[outcome.number]
        seconds = before.seconds + outcome.seconds
        after = replace(before, folds=(*before.folds, *outcome.folds), seconds=seconds)
        self.kept[outcome.number] = after
        self.outcomes = [after if each is before else each for each in self.outcomes]

    @property
    def best(self) -> Outcome | None:
        """The best score so far; of equal ones the earlier trial's, whenever it came in."""
        return min(self.kept.values(), key=self._place, default=None)

    def ranked(self) -> list[Outcome]:
        """Return the kept candidates, the best first."""
        return sorted(self.kept.values(), key=self._place)

    def _place(self, outcome: Outcome) -> tuple[float, int]:
        assert outcome.score is not None
        return (-outcome.score if self.problem.metric.greater else outcome.score), outcome.number
