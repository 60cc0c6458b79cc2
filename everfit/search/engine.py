"""The search itself: who works on what until when, and what is best so far."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import tempfile
import threading
import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import pandas as pd

from everfit.errors import BudgetSpent, DataError, Unavailable, is_full
from everfit.features import Plan
from everfit.search import board, pool
from everfit.search.bench import BASE, PROBLEM, WHOLE, baseline
from everfit.search.estimators import FAMILIES, Family
from everfit.search.predicted import Metric
from everfit.search.problem import Given, conformed, how_judged, prepare
from everfit.search.records import Progress, Searched
from everfit.search.study import Study
from everfit.search.tasks import Outcome, Problem, Task
from everfit.spec import Search

GRACE = 2.0  # seconds that the final fit may take beyond the budget, before the best so far is returned as it is
RESCUE = 8.0  # seconds for a quick model when the budget ended without one; imports may be among them
QUICK_ROWS = 2000
TICK = 0.25
REFIT, SCOUT = -2, -3  # numbers of the final and of the first fit, which are no trials
SCOUT_CELLS = 300_000

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
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Searched:
    """Search until the budget, the number of trials or `stop` ends it; return the best, fitted on all rows.

    The budget is wall time from this call on and includes the final fit. With `spec.trials` the same seed gives
    the same trials and the same model, provided that the budget suffices for them. Raise DataError when the data
    allow no model, and BudgetSpent when there was no time for even a quick one. `time` makes later rows validate
    those that are older by `gap` at least, `group` keeps its rows on one side. Temporary files go to a folder in
    `folder`, and leave with it.
    """
    began = clock.monotonic()
    pool.warm_up()
    allowed = budget if budget is not None else spec.budget.total_seconds()
    chosen = tuple(families or (family for family in FAMILIES if family.name in spec.estimators))
    given = Given(frame, y, time, group, weight, gap).answered()
    problem = prepare(given, plan, task, metric, positive, chosen, budget=allowed, seed=spec.seed)
    study = Study(chosen, problem.job, greater=metric.greater, most=spec.trials)
    with _folder(folder) as place:
        joblib.dump(problem, place / PROBLEM)
        hands = pool.Pool(workers or len(os.sched_getaffinity(0)), place)
        try:
            errands = _Errands(place, given, plan, task)
            search = _Search(problem, len(given.frame), study, hands, errands, began, allowed, on_progress, stop)
            return replace(search.run(), how=how_judged(problem, given))
        finally:
            hands.close()


@contextlib.contextmanager
def _folder(parent: Path | None) -> Iterator[Path]:
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="everfit-search-", dir=parent))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


class _Errands(threading.Thread):
    """What this process does while the workers are busy: lay out all rows for the final fit, import its classes."""

    def __init__(self, place: Path, given: Given, plan: Plan, task: str) -> None:
        super().__init__(daemon=True)
        self.place, self.given, self.plan, self.task_type = place, given, plan, task
        self.failed: Exception | None = None

    def run(self) -> None:
        try:
            joblib.dump(conformed(self.given, self.plan, self.task_type), self.place / WHOLE)
            importlib.import_module(pool.PRELOAD)
        except Exception as cause:  # noqa: BLE001  # it belongs to the thread that waits
            self.failed = cause

    def wait(self) -> None:
        """Wait until all is done; raise what went wrong."""
        self.join()
        if self.failed is not None:
            raise self.failed


class _Search:
    def __init__(
        self, problem: Problem, rows: int, study: Study, hands: pool.Pool, errands: _Errands, began: float,
        allowed: float, on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool] | None,
    ) -> None:  # fmt: skip
        self.problem, self.rows, self.study, self.hands, self.errands = problem, rows, study, hands, errands
        self.began, self.allowed, self.deadline = began, allowed, began + allowed
        self.on_progress, self.stop = on_progress, stop
        self.outcomes: list[Outcome] = []
        self.best: Outcome | None = None  # the best score
        self.kept: Outcome | None = None  # the best whose model, of one fold, lies on disk

    def run(self) -> Searched:
        self._scout()
        self._hand_out()
        self.outcomes.append(baseline(self.problem))
        self.errands.start()
        ended = self._ended()
        while ended is None:
            for outcome in self.hands.results(TICK):
                self._note(outcome)
            self._say()
            self._hand_out()
            ended = self._ended()
        for task in self.hands.drop():
            why = "it still ran when the search ended"
            self._note(Outcome(task.number, task.family, task.params, "timed out", why))
        self.errands.wait()
        best, chosen, note = self._finish()
        return Searched(
            best, chosen.family, chosen.params | chosen.learnt, chosen.score,
            board.leaderboard(self.outcomes, greater=self.problem.metric.greater),
            board.trials([each for each in self.outcomes if each.number >= 0]),
            clock.monotonic() - self.began, ended, "", note,
        )  # fmt: skip

    def _scout(self) -> None:
        """Let the first model be one of few rows where the defaults take their time, unless all must be repeatable."""
        if self.study.most is None and len(self.problem.y) > SCOUT_CELLS / max(1, len(self.problem.plan.used)):
            family = self.problem.families[0]
            params = family.quick(self.problem.job)
            self.hands.give(Task(SCOUT, "score", family.name, params, rows=QUICK_ROWS), self.deadline)

    def _hand_out(self) -> None:
        while self.hands.idle and self._ended() is None:
            task = self.study.next(self.best.scores if self.best else ())
            if task is None:
                return
            longest = max(5.0, self.allowed / 3)  # a trial that hangs must not take the whole budget
            self.hands.give(task, min(self._last_call(), clock.monotonic() + longest))

    def _ended(self) -> Ended | None:
        if self.stop is not None and self.stop():
            return "asked"
        if self.study.exhausted and self.hands.idle == len(self.hands.workers):
            return "trials"
        fastest = min((each.seconds for each in self.outcomes if each.status == "done"), default=0.0)
        return "budget" if clock.monotonic() + fastest >= self._last_call() else None

    def _last_call(self) -> float:
        """Return when trials have to end, so that the best so far can still be fitted on all rows."""
        if self.best is None:
            return self.deadline
        return self.deadline - min(self._refit_seconds(self.best), 0.5 * self.allowed)

    def _refit_seconds(self, outcome: Outcome) -> float:
        """Estimate the final fit from the measured one of a fold, with some slack."""
        learnt = len(self.problem.folds[0].train)
        fit = (outcome.fit_seconds or 0.0) * self.rows / (QUICK_ROWS if outcome.number == SCOUT else learnt)
        return 0.2 + 1.15 * (fit + outcome.encode_seconds * self.rows / learnt)

    def _note(self, outcome: Outcome) -> None:
        if outcome.number == SCOUT:
            outcome = replace(outcome, reason=outcome.reason or f"a first quick fit on {QUICK_ROWS:,} rows")
        else:
            self.study.tell(outcome)
        self.outcomes.append(outcome)
        if outcome.status == "done" and self._better(outcome, self.best):
            self.best = outcome
        if outcome.model and outcome.status == "done" and self._better(outcome, self.kept):
            self.kept, outcome = outcome, self.kept or replace(outcome, model="")
        if outcome.model:
            Path(outcome.model).unlink(missing_ok=True)

    def _better(self, one: Outcome, other: Outcome | None) -> bool:
        """Whether a score is better; of equal scores the earlier trial's, whenever it came in."""
        if other is None or one.score is None or other.score is None:
            return other is None
        gain = one.score - other.score if self.problem.metric.greater else other.score - one.score
        return gain > 0 or (gain == 0 and one.number < other.number)

    def _say(self) -> None:
        if self.on_progress is None:
            return
        trials = [each for each in self.outcomes if each.number != BASE]
        failed = sum(each.status in ("failed", "timed out") for each in trials)
        best = self.best
        self.on_progress(
            Progress(len(trials) - failed, failed, best.score if best else None, best.family if best else "",
                     clock.monotonic() - self.began, self.allowed)
        )  # fmt: skip

    def _finish(self) -> tuple[Any, Outcome, str]:
        """Fit the best on all rows; else return what there is, and say so."""
        if self.best is None:
            return self._rescue()
        now = clock.monotonic()
        left = max(self.deadline - now, 0.0) + GRACE
        needed, rows = self._refit_seconds(self.best), 0
        if needed > 1.5 * left:
            rows = max(int(self.rows * left / needed), QUICK_ROWS)
        family = self.problem.family(self.best.family)
        times = (rows or self.rows) / len(self.problem.folds[0].train)
        params = self.best.params | (family.grown(self.best.learnt, times) if self.best.learnt else {})
        outcome = self._wait(Task(REFIT, "fit", family.name, params, rows=rows), now + left)
        if outcome.status == "done":
            note = f"fitted on {rows:,} of {self.rows:,} rows, for lack of time" if rows else ""
            return joblib.load(outcome.model), replace(self.best, params=params, learnt={}), note
        assert self.kept is not None
        note = f"fitted on the rows of one fold, as the final fit did not succeed: {outcome.reason}"
        return joblib.load(self.kept.model), self.kept, note

    def _rescue(self) -> tuple[Any, Outcome, str]:
        """No trial was finished: fit something quick on few rows, or say why there is no model."""
        reasons = [f"{each.family}: {each.reason}" for each in self.outcomes if each.status == "failed"]
        family = self.problem.families[0]
        task = Task(REFIT, "fit", family.name, family.quick(self.problem.job), rows=QUICK_ROWS)
        outcome = self._wait(task, clock.monotonic() + RESCUE)
        if outcome.status == "done":
            why = f"every trial failed, such as {reasons[0]}" if reasons else "no trial was finished in time"
            self.outcomes.append(replace(outcome, reason=f"a quick fit on few rows: {why}"))
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

    def _wait(self, task: Task, until: float) -> Outcome:
        self.hands.give(task, until)
        while True:
            for outcome in self.hands.results(TICK):
                return outcome
