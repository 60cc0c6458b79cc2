"""The search itself, from what is asked for to what was found; several hosts may have part in one."""

from __future__ import annotations

import contextlib
import os
import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import joblib
import numpy as np

from everfit.errors import NotBegun
from everfit.features import Plan
from everfit.files import replacing
from everfit.search import decision, deriving, memory, pool, shelf, spaces
from everfit.search.bench import PROBLEM
from everfit.search.candidates import Candidates
from everfit.search.closing import MOST_MS, Closing
from everfit.search.estimators import FAMILIES, Family, Job
from everfit.search.loop import Errands, Loop
from everfit.search.matrices import ROWS
from everfit.search.memory import Share
from everfit.search.order import Order
from everfit.search.places import Place, place
from everfit.search.problem import answers, how_judged, prepare
from everfit.search.records import Progress, Searched
from everfit.search.study import Study
from everfit.search.tasks import Limits, Problem
from everfit.spec import Search

PLAN = "plan.joblib"
LEFT = 0.25  # of the budget at least, for the rest of a search that was killed when it had used more
LATE = 2.5  # seconds after the budget at which workers may come to life, for a quick model


def run(
    order: Order, on_progress: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None
) -> Searched:
    """Search until the budget, the number of trials or `stop` ends it; return the best, alone or blended.

    That is a model of all rows, or the mean of models that each left one fold out; a note says where time forbade it.

    The budget is wall time from the order on and includes the final fit. With `spec.trials` the same seed gives
    the same trials and the same model, provided that the budget suffices for them and `spec.max_latency_ms`, for
    which times are measured, is not said. Raise DataError when the data allow no model or do not fit into memory, and
    BudgetSpent when there was no time for even a quick model. `time` makes later rows validate those that are older by
    `gap` at least, `group` keeps its rows on one side. `start` are configurations to begin with, such as earlier
    winners; those of families or values that are not searched (any more) are left out. Temporary files go to a folder
    in `folder`, and leave with it.

    With an `identity`, which names all that is ordered, rows included, a search that was killed is gone on with: what
    it tried is not tried again, and without `spec.trials` the time that it had is part of the budget. Its files stay
    after the end as well, until `forget` removes them. With `shared`, other hosts may go `along`, and all that is
    remembered is there.
    """
    with _working(order, on_progress, stop) as loop:
        return _labelled(loop.run(), order, loop)


def along(order: Order) -> int:
    """Work for a search that another host leads, until that ends or is silent; return how many trials were done here.

    What is ordered must be what the leader was told: the same rows give the same folds.
    """
    with _working(order) as loop:
        return loop.help()


@contextlib.contextmanager
def _working(
    order: Order, on_progress: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None
) -> Iterator[Loop]:
    """Yield a search with its folder and its workers, which end with it."""
    pool.warm_up()
    rows = float(order.given.frame.memory_usage(deep=True).sum())
    share = memory.shared(order.spec.max_memory_gb, rows, order.workers or len(os.sched_getaffinity(0)))
    check(order.spec, order.given.y, order.task, order.metric.name, order.chosen)
    with place(order.folder, "" if order.shared else order.identity) as here:
        problem = _problem(order, share, here, on_progress, stop)
        study, spec, began = _study(order, problem, here), order.spec, order.began
        if spec.trials is None:
            began -= order.allowed - _left(order, here, study)
        _ready(began + order.allowed, order)
        hands = pool.Pool(share, here)
        try:
            errands = Errands(here.folder, order.given, problem)
            closing = Closing(problem, here.folder, hands, len(order.given.frame), _limits(spec), order.allowed,
                              began + order.allowed)  # fmt: skip
            found = Candidates(problem, here.folder)
            yield Loop(problem, study, hands, errands, closing, found, here, on_progress, stop)
        finally:
            hands.close()


def _left(order: Order, here: Place, study: Study) -> float:
    """Return the seconds that are left of the budget with which the search began, where it was killed meanwhile."""
    size, used = here.size(order.size), study.used() if order.shared else here.used()
    return min(order.allowed, max(size - used, LEFT * size))


def check(spec: Search, y: Any, task: str, metric: str, families: Sequence[Family] = FAMILIES) -> None:
    """Raise SpecError for a space or costs that name what is not there."""
    classes = None if task == "regression" else np.unique(answers(y, task))
    amounts = classes is None and bool(np.min(y) >= 0)
    spaces.check(families, spec.space, Job(task, metric, rows=len(y), columns=1, amounts=amounts))
    if spec.costs:
        decision.costs_of(spec.costs, classes)


def _problem(
    order: Order, share: Share, here: Place, on_progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool] | None,
) -> Problem:  # fmt: skip
    """Lay down what workers read, and return the problem; its rows are read by whoever needs them."""
    plan = _plan(order, share, here, on_progress, stop)
    problem, rows = prepare(order.given, plan, order.task, order.metric, order.positive, order.chosen,
                            budget=here.size(order.size), seed=order.spec.seed, costs=order.spec.costs)  # fmt: skip
    joblib.dump(problem, here.folder / PROBLEM)
    joblib.dump(rows, here.folder / ROWS)
    return problem


def _plan(
    order: Order, share: Share, here: Place, on_progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool] | None,
) -> Plan:  # fmt: skip
    """Return the columns that are made of others, as they were decided where this search began."""
    shared, file = order.shared, here.folder / PLAN
    if shared and not shared.leads:
        from everfit.search import studies  # needs a database's driver

        def is_over() -> bool:
            return studies.job_of(shared.storage, shared.name) is None

        shared.wait_for(here.folder, PLAN, order.began + order.allowed, is_over)
    elif not file.exists() and not (shared and shared.has(here.folder, PLAN)):
        made = deriving.refined(order, share, here, on_progress, stop)
        with replacing(file) as half:
            joblib.dump(made, half)
        if shared:
            shared.send(here.folder, [PLAN])
    plan: Plan = joblib.load(file)
    return plan


def _ready(deadline: float, order: Order) -> None:
    """Wait for what workers are forked from; raise NotBegun when that is not there in time."""
    if not pool.ready(deadline + LATE - clock.monotonic()):
        raise NotBegun(
            f"The {order.allowed:g} seconds allowed ended before the libraries of the search were imported.",
            do="Give search.budget more time, or this machine less to do.",
        )


def _limits(spec: Search) -> Limits:
    most = inf if spec.trials else MOST_MS
    return Limits(spec.max_latency_ms or most, spec.max_size_mb or inf, spec.max_latency_ms is not None)


def _study(order: Order, problem: Problem, here: Place) -> Study:
    if order.shared:
        from everfit.search.shared import SharedStudy  # needs a database's driver

        return SharedStudy(order.shared, problem, here.folder, order.spec, order.start)
    return Study(problem.families, problem.job, problem.first, greater=problem.metric.greater, spec=order.spec,
                 start=order.start, known=shelf.recorded(here.folder))  # fmt: skip


def _labelled(found: Searched, order: Order, loop: Loop) -> Searched:
    """Say how it was judged, whether fewer workers had part in it, and whether the same order would find the same."""
    spec, share = order.spec, loop.hands.share
    ended = {"budget": "it ended by time", "asked": "it was stopped by hand", "trials": ""}[found.stopped_by]
    timed = "the time of one row is measured" if spec.max_latency_ms else ""
    late = "a trial ran out of time" if any(row.status == "timed out" for row in found.leaderboard) else ""
    open_end = "" if spec.trials else "no number of trials is said"
    others = "other machines may have a part in it" if order.shared else ""
    why = ended or open_end or timed or late or others
    label = f"not repeatable, as {why}" if why else "repeatable with the same seed"
    fewer = share.fewer_than(order.workers or len(os.sched_getaffinity(0)))
    return replace(found, how=f"{how_judged(loop.problem, order.given)}; {label}", repeatable=not why,
                   note="; ".join(filter(None, [found.note, fewer])))  # fmt: skip
