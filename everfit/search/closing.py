"""The last part of the budget: more folds for the best, the blend, and fits on all rows where those are better."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib

from everfit.errors import BudgetSpent, DataError, Unavailable, is_full
from everfit.search.candidates import Candidates
from everfit.search.pool import TICK, Pool
from everfit.search.records import OutOfFold
from everfit.search.tasks import MEMBERS, Limits, Outcome, Problem, Task

GRACE = 2.0  # seconds that final fits may take beyond the budget, before the best so far is returned as it is
BLENDING = 4.0  # seconds, or this part of the budget if that is less, for the choice of members and their loading
BLENDING_SHARE = 0.06
EXTENDING_SHARE = 0.4  # of the budget at most, for models of the best on further folds, when so many trials were done
ENOUGH = 10
REFIT_SHARE = 0.35  # of the budget at most, for fits on all rows
FEW_MORE_ROWS = 0.05  # of it, where a fold's model has nearly all rows, and answers if there is no time for them
MOST_MS = 10.0  # for one row, unless the model file says something else
RESCUE = 4.0  # seconds for a quick model when the budget ended without one
QUICK_ROWS = 2000
REFIT = -2  # the number of a final fit, which is no trial


class Closing:
    """Makes the final model of what was found; `rows` are all there are, of which the trials may have read a sample."""

    def __init__(
        self, problem: Problem, folder: Path, hands: Pool, rows: int, limits: Limits, allowed: float, deadline: float
    ) -> None:
        self.problem, self.folder, self.hands, self.rows = problem, folder, hands, rows
        self.limits, self.allowed, self.deadline = limits, allowed, deadline
        self.judged: OutOfFold | None = None  # of the final model; a rescued one has judged nothing

    def seconds(self, found: Candidates, *, extends: bool) -> float:
        """Return how much of the budget has to be left for it."""
        best = found.ranked()[:MEMBERS]
        needed = min(BLENDING, BLENDING_SHARE * self.allowed)
        share = FEW_MORE_ROWS if self.problem.bagged else REFIT_SHARE
        needed += min(self._refit_seconds(self._refits(best)), share * self.allowed)
        if extends and self.problem.bagged:
            folds = len(self.problem.folds)
            missing = sum(each.seconds / len(each.folds) * (folds - len(each.folds)) for each in best)
            share = EXTENDING_SHARE * min(1.0, sum(each.status == "done" for each in found.outcomes) / ENOUGH)
            needed += min(1.2 * missing / len(self.hands.workers), share * self.allowed)
        return needed

    def make(self, found: Candidates, *, extends: bool) -> tuple[Any, Outcome, str]:
        """Return the final pipeline, its line of the leaderboard, and what is to be said of it."""
        from everfit.search import finish
        from everfit.search.choosing import Choosing

        if not found.kept:
            return self._rescue(found)
        candidates = self._extended(found) if extends and self.problem.bagged else found.ranked()
        sure = finish.tempered(self.problem, self.folder, candidates)
        choosing = Choosing(self.problem, self.folder, sure, *self._bounds(candidates))
        weights = choosing.weights()
        fitted, note = self._refit(self._refits(choosing.members(weights)))
        weights, how, made, ms = choosing.assembled(weights, fitted)
        members = choosing.members(weights)
        self.judged = finish.out_of_fold(self.problem, self.folder, members, weights, how)
        note = "; ".join(filter(None, [note, self._beyond(ms, finish.costs(self.problem, members)[1])]))
        row = members[0] if len(members) == 1 else finish.row(self.problem, self.folder, members, weights)
        final = replace(row, answers=how.told(self.problem.classes, self.problem.positive))
        found.outcomes = [each for each in found.outcomes if each.number != final.number] + [final]
        return made, final, note

    def _bounds(self, candidates: list[Outcome]) -> tuple[Limits, float]:
        """Return the limits of the choice, and when it has to end.

        A limit that nobody said gives way to wide tables, whose columns alone take long.
        """
        if self.limits.ms == float("inf"):  # the choice is to be the same on any machine
            return self.limits, float("inf")
        columns = 3 * max(each.encode_ms for each in candidates)
        ms = self.limits.ms if self.limits.said else max(self.limits.ms, columns)
        return replace(self.limits, ms=ms), self.deadline

    def _beyond(self, ms: float, mb: float) -> str:
        """Say what even the cheapest candidate costs too much of."""
        slow = self.limits.said and ms > self.limits.ms
        long = f"one row takes {ms:.1f} ms, more than the {self.limits.ms:g} allowed" if slow else ""
        large = f"the model has {mb:.1f} MB, more than the {self.limits.mb:g} allowed" if mb > self.limits.mb else ""
        return "; ".join(filter(None, [long, large]))

    def _extended(self, found: Candidates) -> list[Outcome]:
        """Fit the finalists on the folds that they have not seen, fold by fold, as long as there is time.

        Return those that may be blended: all that are as far as the finalists.
        """
        from everfit.search import finish

        ranked, folds = found.ranked(), range(len(self.problem.folds))
        if all(len(each.folds) == len(folds) for each in ranked):
            return ranked
        limits, until = self._bounds(ranked)
        finalists = finish.finalists(self.problem, self.folder, ranked, limits, until, MEMBERS)
        last = self.deadline - self.seconds(found, extends=False)
        waiting = [Task(each.number, "score", each.family, each.params, (at,))
                   for at in folds for each in finalists if at not in each.folds]  # fmt: skip
        while waiting or self.hands.busy:
            self._give(waiting, found, last)
            for outcome in self.hands.results(TICK):
                if outcome.status == "done":
                    found.join(outcome)
        far = sorted(len(found.kept[each.number].folds) for each in finalists)
        done = far[len(far) // 2]  # who could not keep up is left behind
        return [each for each in found.ranked() if len(each.folds) >= done]

    def _give(self, waiting: list[Task], found: Candidates, last: float) -> None:
        """Hand tasks out, but none that would probably not be done in time."""
        while waiting and self.hands.idle:
            task, left = waiting.pop(0), last - clock.monotonic()
            known = found.kept[task.number]
            if known.seconds / len(known.folds) <= left:
                self.hands.give(replace(task, seconds=0.8 * left), last)

    def _refits(self, members: Sequence[Outcome]) -> list[Outcome]:
        return [each for each in members if self.problem.refits(each.family)]

    def _is_worth_it(self, members: list[Outcome]) -> bool:
        """Say whether fits on all rows are made: of few more rows than a fold's model has only if there is time."""
        return not self.problem.bagged or self._refit_seconds(members) < self.deadline - clock.monotonic() + GRACE

    def _refit_seconds(self, outcomes: Sequence[Outcome]) -> float:
        """Estimate from the measured fits of a fold how long the workers take for fits on all rows, with some slack."""
        times = [(each.fit_seconds or 0.0) * self.rows / each.rows for each in outcomes]
        encoding = {self.problem.family(each.family).style: each.encode_seconds for each in outcomes}
        encode = sum(encoding.values()) * self.rows / len(self.problem.y) if self.problem.sampled else 0.0
        fits = max([*times, sum(times) / len(self.hands.workers)]) if times else 0.0
        return 1.15 * (fits + encode)

    def _refit(self, members: list[Outcome]) -> tuple[dict[int, Outcome], str]:
        """Fit members on all rows, side by side; return what came of those that were done in time, and what to say."""
        from everfit.search import finish

        if not members or not self._is_worth_it(members):
            return {}, ""
        left = max(self.deadline - clock.monotonic(), 0.0) + GRACE
        needed, rows = self._refit_seconds(members), 0
        if needed > 1.5 * left:
            rows = min(self.rows, max(int(self.rows * left / needed), QUICK_ROWS))
        rows = rows if rows < self.rows else 0
        seconds = 0.9 * left if self.limits.ms < float("inf") else float("inf")
        tasks = [Task(each.number, "fit", each.family,
                      finish.grown(self.problem, each, (rows or self.rows) / each.rows), rows=rows, seconds=seconds)
                 for each in sorted(members, key=lambda each: -(each.fit_seconds or 0.0))]  # fmt: skip
        outcomes = self.hands.all(tasks, clock.monotonic() + left)
        notes = [f"fitted on {rows:,} of {self.rows:,} rows, for lack of time"] if rows else []
        notes += [f"{each.family} fitted on the rows of one fold, as the final fit did not succeed: {each.reason}"
                  for each in outcomes if each.status != "done"]  # fmt: skip
        return {each.number: each for each in outcomes if each.status == "done"}, "; ".join(notes)

    def _rescue(self, found: Candidates) -> tuple[Any, Outcome, str]:
        """No trial was finished: fit something quick on few rows, or say why there is no model."""
        reasons = [f"{each.family}: {each.reason}" for each in found.outcomes if each.status == "failed"]
        family = self.problem.families[0]
        task = Task(REFIT, "quick", family.name, family.quick(self.problem.job), rows=QUICK_ROWS)
        outcome = self.hands.all([task], max(clock.monotonic() + 1.0, self.deadline + RESCUE))[0]
        if outcome.status == "done":
            why = f"every trial failed, such as {reasons[0]}" if reasons else "no trial was finished in time"
            found.outcomes.append(replace(outcome, reason=f"a quick fit on few rows: {why}"))
            return joblib.load(outcome.model), outcome, f"a quick fit on few rows: {why}"
        if reasons and all(map(is_full, reasons)):
            do = "Make room, and run the same command again."
            raise Unavailable("The search has no room left on its disk.", details=reasons[:1], do=do)
        if reasons:
            raise DataError("No candidate could be fitted.", details=reasons, do="Look at the reasons above.")
        raise BudgetSpent(
            f"The {self.allowed:g} seconds allowed ended before one model was fitted.",
            why=f"{self.rows:,} rows and {len(self.problem.plan.used)} columns need more.",
            do="Give search.budget more time.",
        )
