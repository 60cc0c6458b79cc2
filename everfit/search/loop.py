"""A search at work: who tries what until when, and what is best so far."""

from __future__ import annotations

import importlib
import threading
import time as clock
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import joblib

from everfit.search import board, pool, shelf
from everfit.search.bench import BASE, WHOLE, baseline
from everfit.search.candidates import Candidates
from everfit.search.closing import QUICK_ROWS, Closing
from everfit.search.hosts import LEADER
from everfit.search.places import Place
from everfit.search.pool import TICK
from everfit.search.problem import Given, conformed
from everfit.search.records import Progress, Searched
from everfit.search.study import Study
from everfit.search.tasks import SCOUT, Outcome, Problem, Task

A_FIT = 0.3  # of the budget, for one trial whose fits can stop early
SCOUT_CELLS = 300_000

Ended = Literal["budget", "trials", "asked"]


class Errands(threading.Thread):
    """What this process does while the workers are busy: lay out all rows for the final fit, import what makes it."""

    def __init__(self, place: Path, given: Given, problem: Problem) -> None:
        super().__init__(daemon=True)
        self.place, self.given, self.plan, self.task_type = place, given, problem.plan, problem.job.task
        self.sampled = problem.sampled
        self.failed: Exception | None = None

    def run(self) -> None:
        """Do it; what goes wrong is raised by `wait`."""
        try:
            if self.sampled:
                joblib.dump(conformed(self.given, self.plan, self.task_type), self.place / WHOLE)
            importlib.import_module("everfit.search.finish")
        except Exception as cause:  # noqa: BLE001  # it belongs to the thread that waits
            self.failed = cause

    def wait(self) -> None:
        """Wait until all is done; raise what went wrong."""
        self.join()
        if self.failed is not None:
            raise self.failed


class Loop:
    """Hands out trials, takes note of what became of them, and ends with the final model."""

    def __init__(
        self, problem: Problem, study: Study, hands: pool.Pool, errands: Errands, closing: Closing, found: Candidates,
        here: Place, on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool] | None,
    ) -> None:  # fmt: skip
        self.problem, self.study, self.hands, self.errands = problem, study, hands, errands
        self.closing, self.found, self.on_progress, self.stop = closing, found, on_progress, stop
        self.here, self.resumed = here, 0
        self.hosts: dict[str, int] = {}
        self.elsewhere: set[int] = set()  # trials that this process has not done itself
        self.allowed, self.deadline = closing.allowed, closing.deadline
        self.began = self.deadline - self.allowed

    def run(self) -> Searched:
        """Search until the budget, the number of trials or whoever asks ends it; return the best."""
        self._scout()
        self._hand_out()
        self.found.add(baseline(self.problem))
        self._say()
        self.errands.start()
        ended = self._ended()
        while ended is None or self.study.remembers:
            self._go_on()
            ended = self._ended()
        for task in self.hands.drop():
            why = "it still ran when the search ended"
            self._note(Outcome(task.number, task.family, task.params, "timed out", why))
        self.study.end()
        self.errands.wait()
        made, chosen, note = self.closing.make(self.found, extends=ended == "budget")
        own = [each for each in self.found.outcomes if each.number not in self.elsewhere]
        return Searched(
            made, chosen.family, chosen.params | chosen.learnt | chosen.answers, chosen.score,
            board.leaderboard(self.found.outcomes, greater=self.problem.metric.greater),
            board.trials([each for each in self.found.outcomes if each.number >= 0]),
            clock.monotonic() - self.began, ended, "", self.problem.plan, note, board.spent(self.found.outcomes),
            board.spent(own),
            resumed=self.resumed, hosts=self.hosts, winners=board.winners(chosen, self.found.outcomes),
            warmed=len(self.study.start), out_of_fold=self.closing.judged, asked=self.study.trials(),
        )  # fmt: skip

    def help(self) -> int:
        """Try what there is to be tried until the leader ends it; return how many trials were done here."""
        self.found.add(baseline(self.problem))
        while not self.study.over and self._ended() is None:
            self._hand_out()
            self._go_on()
        return sum(each.number >= 0 for each in self.found.outcomes) - sum(self.hosts.values()) - self.resumed

    def _go_on(self) -> None:
        for outcome in self.hands.results(TICK):
            self._note(outcome)
        for host, outcome in self.study.news(clock.monotonic() - self.began, self.found.wants):
            if host == LEADER:  # one that was killed, whose place this process has taken
                self.resumed += 1
            else:
                self.hosts[host] = self.hosts.get(host, 0) + 1
            self.found.add(replace(outcome, ended=clock.monotonic() - self.began))
            self.elsewhere.add(outcome.number)
        self._say()
        self._hand_out()

    def _scout(self) -> None:
        """Let the first model be one of few rows where the defaults take their time, unless all must be repeatable."""
        fresh = self.study.most is None and not self.study.remembers
        if fresh and len(self.problem.y) > SCOUT_CELLS / max(1, len(self.problem.plan.used)):
            family = self.problem.families[0]
            params = family.quick(self.problem.job)
            task = Task(SCOUT, "score", family.name, params, self.problem.first, rows=QUICK_ROWS)
            self.hands.give(task, self.deadline)

    def _hand_out(self) -> None:
        while self.hands.idle and (self.study.remembers or self._ended() is None):
            task = self.study.next(self.found.best.scores if self.found.best else ())
            if task is None:
                return
            if outcome := self.study.recall(task):
                self.resumed += 1
                self.elsewhere.add(outcome.number)
                self._note(outcome)
                continue
            now, last = clock.monotonic(), self._last_call()
            until = min(last, now + max(5.0, self.allowed / 2))  # a trial that hangs must not take the whole budget
            if self.study.most is None:
                task = replace(task, seconds=min(A_FIT * self.allowed, 0.7 * (until - now)))
            self.hands.give(task, until)

    def _ended(self) -> Ended | None:
        if self.stop is not None and self.stop():
            return "asked"
        if self.study.exhausted and not self.hands.busy:
            return "trials"
        fastest = min((each.seconds for each in self.found.outcomes if each.status == "done"), default=0.0)
        return "budget" if clock.monotonic() + fastest >= self._last_call() else None

    def _last_call(self) -> float:
        """Return when trials have to end, so that there is time to make the final model of the best so far."""
        if not self.found.kept:
            return self.deadline
        return self.deadline - self.closing.seconds(self.found, extends=self.study.most is None)

    def _note(self, outcome: Outcome) -> None:
        if outcome.status == "timed out":
            shelf.remember(self.here.folder, outcome)
        outcome = replace(outcome, ended=outcome.ended or clock.monotonic() - self.began)
        if outcome.number == SCOUT:
            outcome = replace(outcome, reason=outcome.reason or f"a first quick fit on {QUICK_ROWS:,} rows")
        else:
            self.study.tell(outcome)
        self.found.add(outcome)

    def _say(self) -> None:
        self.here.use(clock.monotonic() - self.began)
        if self.on_progress is None:
            return
        trials = [each for each in self.found.outcomes if each.number != BASE]
        failed = sum(each.status in ("failed", "timed out") for each in trials)
        best, running = self.found.best, [worker.task.family for worker in self.hands.workers if worker.task]
        self.on_progress(
            Progress(len(trials) - failed, failed, best.score if best else None, best.family if best else "",
                     clock.monotonic() - self.began, self.allowed,
                     board.standings(trials, running, greater=self.problem.metric.greater), self.resumed)
        )  # fmt: skip
