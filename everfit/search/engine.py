"""The search itself: who works on what until when, and what is best so far."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import pandas as pd

from everfit.errors import BudgetSpent
from everfit.features import Plan
from everfit.search import board, memory, pool, shelf
from everfit.search.bench import BASE, PROBLEM, WHOLE, baseline
from everfit.search.candidates import Candidates
from everfit.search.closing import MOST_MS, QUICK_ROWS, TICK, Closing
from everfit.search.estimators import FAMILIES, Family, Params
from everfit.search.hosts import LEADER, Shared
from everfit.search.matrices import ROWS
from everfit.search.places import Place, place
from everfit.search.predicted import Metric
from everfit.search.problem import Given, conformed, how_judged, prepare
from everfit.search.records import Progress, Searched
from everfit.search.study import Study
from everfit.search.tasks import SCOUT, Limits, Outcome, Problem, Task
from everfit.spec import Search

LEFT = 0.25  # of the budget at least, for the rest of a search that was killed when it had used more
A_FIT = 0.3  # of the budget, for one trial whose fits can stop early
SCOUT_CELLS = 300_000
LATE = 2.5  # seconds after the budget at which workers may come to life, for a quick model

Ended = Literal["budget", "trials", "asked"]


def run(
    frame: pd.DataFrame,
    y: Any,
    *,
    plan: Plan,
    task: str,
    metric: Metric,
    spec: Search,
    time: np.ndarray | None = None,
    group: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    gap: float = 0.0,
    positive: Any = None,
    budget: float | None = None,
    workers: int | None = None,
    families: Sequence[Family] | None = None,
    folder: Path | None = None,
    identity: str = "",
    shared: Shared | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    start: Sequence[tuple[str, Params]] = (),
) -> Searched:
    """Search until the budget, the number of trials or `stop` ends it; return the best, alone or blended.

    That is a model of all rows, or the mean of models that each left one fold out; a note says where time forbade it.

    The budget is wall time from this call on and includes the final fit. With `spec.trials` the same seed gives
    the same trials and the same model, provided that the budget suffices for them and `spec.max_latency_ms`, for
    which times are measured, is not said. Raise DataError when the data
    allow no model or do not fit into memory, and BudgetSpent when there was no time for even a quick model. `time`
    makes later rows validate those that are older by `gap` at least, `group` keeps its rows on one side. `start` are
    configurations to begin with, such as earlier winners; those of families or values that are not searched (any more)
    are left out. Temporary files go to a folder in `folder`, and leave with it.

    With an `identity`, which names all that is said here, rows included, a search that was killed is gone on with:
    what it tried is not tried again, and without `spec.trials` the time that it had is part of the budget. Its files
    stay after the end as well, until `forget` removes them. With `shared`, other hosts may go `along`, and all that is
    remembered is there.
    """
    began = clock.monotonic()
    given = Given(frame, y, time, group, weight, gap).answered()
    made = _prepared(given, plan, task, metric, positive, spec, budget, families)
    with _working(given, made, spec, began, workers, folder, identity, shared, on_progress, stop, start) as search:
        return _labelled(search.run(), how_judged(made[0], given), spec)


def along(
    frame: pd.DataFrame,
    y: Any,
    *,
    plan: Plan,
    task: str,
    metric: Metric,
    spec: Search,
    shared: Shared,
    time: np.ndarray | None = None,
    group: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    gap: float = 0.0,
    positive: Any = None,
    budget: float | None = None,
    workers: int | None = None,
    families: Sequence[Family] | None = None,
    folder: Path | None = None,
) -> int:
    """Work for a search that another host leads, until that ends or is silent; return how many trials were done here.

    What is said must be what the leader was told: the same rows give the same folds.
    """
    began = clock.monotonic()
    given = Given(frame, y, time, group, weight, gap).answered()
    made = _prepared(given, plan, task, metric, positive, spec, budget, families)
    with _working(given, made, spec, began, workers, folder, "", shared) as search:
        return search.help()


def _prepared(
    given: Given, plan: Plan, task: str, metric: Metric, positive: Any, spec: Search, budget: float | None,
    families: Sequence[Family] | None,
) -> tuple[Problem, pd.DataFrame, float]:  # fmt: skip
    """Return the problem, the conformed rows that trials read, and the seconds allowed."""
    pool.warm_up()
    allowed = budget if budget is not None else spec.budget.total_seconds()
    chosen = tuple(families or (family for family in FAMILIES if family.name in spec.estimators))
    made = prepare(given, plan, task, metric, positive, chosen, budget=allowed, seed=spec.seed, costs=spec.costs)
    return *made, allowed


@contextlib.contextmanager
def _working(
    given: Given, made: tuple[Problem, pd.DataFrame, float], spec: Search, began: float, workers: int | None,
    folder: Path | None, identity: str, shared: Shared | None, on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None, start: Sequence[tuple[str, Params]] = (),
) -> Iterator[_Search]:  # fmt: skip
    """Yield a search with its folder and its workers, which end with it."""
    problem, rows, allowed = made
    wanted = workers or len(os.sched_getaffinity(0))
    share = memory.shared(spec.max_memory_gb, float(given.frame.memory_usage(deep=True).sum()), wanted)
    with place(folder, "" if shared else identity) as here:
        joblib.dump(problem, here.folder / PROBLEM)
        joblib.dump(rows, here.folder / ROWS)
        del rows  # whoever needs them reads them
        study = _study(problem, spec, here, shared, start)
        if spec.trials is None:
            began -= min(study.used() if shared else here.used(), (1 - LEFT) * allowed)
        if not pool.ready(began + allowed + LATE - clock.monotonic()):
            raise BudgetSpent(
                f"The {allowed:g} seconds allowed ended before the libraries of the search were imported.",
                do="Give search.budget more time, or this machine less to do.",
            )
        hands = pool.Pool(share, here)
        try:
            errands = _Errands(here.folder, given, problem)
            most = inf if spec.trials else MOST_MS
            limits = Limits(spec.max_latency_ms or most, spec.max_size_mb or inf, spec.max_latency_ms is not None)
            closing = Closing(problem, here.folder, hands, len(given.frame), limits, allowed, began + allowed)
            found = Candidates(problem, here.folder)
            yield _Search(problem, study, hands, errands, closing, found, here, on_progress, stop)
        finally:
            hands.close()


def _study(
    problem: Problem, spec: Search, here: Place, shared: Shared | None, start: Sequence[tuple[str, Params]]
) -> Study:
    if shared:
        from everfit.search.shared import SharedStudy  # needs a database's driver

        return SharedStudy(shared, problem, here.folder, spec, start)
    return Study(problem.families, problem.job, problem.first, greater=problem.metric.greater, spec=spec, start=start,
                 known=shelf.recorded(here.folder))  # fmt: skip


def _labelled(found: Searched, how: str, spec: Search) -> Searched:
    """Say how it was judged, and whether the same call would find the same."""
    ended = {"budget": "it ended by time", "asked": "it was stopped by hand", "trials": ""}[found.stopped_by]
    timed = "the time of one row is measured" if spec.max_latency_ms else ""
    late = "a trial ran out of time" if any(row.status == "timed out" for row in found.leaderboard) else ""
    others = "other machines had a part in it" if found.hosts else ""
    why = ended or timed or late or others
    label = f"not repeatable, as {why}" if why else "repeatable with the same seed"
    return replace(found, how=f"{how}; {label}", repeatable=not why)


class _Errands(threading.Thread):
    """What this process does while the workers are busy: lay out all rows for the final fit, import what makes it."""

    def __init__(self, place: Path, given: Given, problem: Problem) -> None:
        super().__init__(daemon=True)
        self.place, self.given, self.plan, self.task_type = place, given, problem.plan, problem.job.task
        self.sampled = problem.sampled
        self.failed: Exception | None = None

    def run(self) -> None:
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


class _Search:
    def __init__(
        self, problem: Problem, study: Study, hands: pool.Pool, errands: _Errands, closing: Closing, found: Candidates,
        here: Place, on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool] | None,
    ) -> None:  # fmt: skip
        self.problem, self.study, self.hands, self.errands = problem, study, hands, errands
        self.closing, self.found, self.on_progress, self.stop = closing, found, on_progress, stop
        self.here, self.resumed = here, 0
        self.hosts: dict[str, int] = {}
        self.allowed, self.deadline = closing.allowed, closing.deadline
        self.began = self.deadline - self.allowed

    def run(self) -> Searched:
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
        return Searched(
            made, chosen.family, chosen.params | chosen.learnt | chosen.answers, chosen.score,
            board.leaderboard(self.found.outcomes, greater=self.problem.metric.greater),
            board.trials([each for each in self.found.outcomes if each.number >= 0]),
            clock.monotonic() - self.began, ended, "", note, board.spent(self.found.outcomes), resumed=self.resumed,
            hosts=self.hosts, winners=board.winners(chosen, self.found.outcomes), warmed=len(self.study.start),
            out_of_fold=self.closing.judged, asked=self.study.trials(),
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
            self.found.add(outcome)
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
                     clock.monotonic() - self.began, self.allowed, self.resumed,
                     board.standings(trials, running, greater=self.problem.metric.greater))
        )  # fmt: skip
