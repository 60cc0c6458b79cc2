"""Which columns to make, and which to leave: decided by what they bring on rows that did not learn from them."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf

import joblib
import numpy as np
import pandas as pd

from everfit.features import ColumnPlan, Derived, Plan
from everfit.search.bench import PROBLEM
from everfit.search.estimators import Job
from everfit.search.estimators.lightgbm import LightGBM
from everfit.search.evidence import NOISE, Weighed
from everfit.search.folds import COST, folds_of, sampled
from everfit.search.matrices import ROWS, clear
from everfit.search.memory import Share
from everfit.search.order import Order
from everfit.search.places import Place
from everfit.search.pool import Pool, ready
from everfit.search.problem import Given, as_number, conformed
from everfit.search.proposals import proposals
from everfit.search.records import Progress
from everfit.search.tasks import Problem, Task

SHARE = 0.05  # of the budget; decides how many rows are read, so that the outcome repeats
PATIENCE = 0.15  # of the budget; so long is waited for it, imports included, unless all must be repeatable
FEWEST, MOST = 500, 10_000  # rows: of fewer nothing can be proven, more of them change nothing
FEWEST_TRIALS = 8  # fewer trials are over before this is
FOLDS = 5
TRIED = 8  # candidates that are judged one by one, the most promising first
FITS = 6  # of 300 rounds, which all fits of a fold together cost
SHADOWS = 3  # columns of noise that a column has to stand out from
PAYS, SURE, STEADY = 0.003, 2.5, 0.8  # share of the loss, standard errors, share of the folds
NO_WORSE = -0.0005
DOING = "trying columns made of others"
UNKNOWN = "No columns were made of others"
JUDGED = ("numeric", "boolean", "categorical", "high_cardinality")


@dataclass(frozen=True)
class Gain:
    """How much less is lost: as a share of the loss, in standard errors of that, and in which share of the folds."""

    share: float
    errors: float
    folds: float

    @classmethod
    def of(cls, before: Sequence[Weighed], after: Sequence[Weighed]) -> Gain:
        """Compare two sets of columns row by row."""
        parts = [one.losses - two.losses for one, two in zip(before, after, strict=True)]
        less, lost = np.concatenate(parts), np.concatenate([each.losses for each in before])
        error = float(np.std(less) / np.sqrt(len(less)))
        mean = float(np.mean(less))
        steady = float(np.mean([part.mean() > 0 for part in parts]))
        return cls(mean / max(float(np.mean(lost)), 1e-12), mean / error if error else 0.0, steady)

    @property
    def pays(self) -> bool:
        """Whether it is more than chance and more than next to nothing."""
        return self.share >= PAYS and self.errors >= SURE and self.folds >= STEADY


class Late(Exception):
    """The evidence was not there in time, or a worker could not gather it."""


class Judges:
    """The folds of a sample, asked side by side about the same columns."""

    def __init__(self, problem: Problem, hands: Pool, until: float, stop: Callable[[], bool]) -> None:
        self.problem, self.hands, self.until, self.stop = problem, hands, until, stop

    def weigh(self, derived: Sequence[Derived] = (), without: Sequence[str] = (), noise: int = 0) -> list[Weighed]:
        """Return what each fold says; raise Late when one of them says nothing."""
        params = {"derived": tuple(derived), "without": tuple(without), "noise": noise}
        tasks = [Task(at, "weigh", LightGBM.name, params, (at,)) for at in range(len(self.problem.folds))]
        outcomes = sorted(self.hands.all(tasks, self.until, self.stop), key=lambda each: each.number)
        if len(outcomes) < len(tasks):
            raise Late("the search was asked to stop")
        for each in outcomes:
            if each.status != "done":
                raise Late(each.reason)
        return [each.learnt["weighed"] for each in outcomes]


def refined(
    order: Order, share: Share, place: Place, on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Plan:  # fmt: skip
    """Return the plan with the derived columns that pay, or as it was, with a warning, when that was not found out.

    What is decided follows from rows, budget and seed, never from the clock, but that without `spec.trials` it is
    given up when it takes too long.
    """
    plan, given, spec = order.plan, order.given, order.spec
    outputs = 1 if order.task == "regression" else pd.Series(given.y).nunique()
    rows = _rows(given, plan, outputs, place.size(order.size))
    if not (spec.derive and rows) or (spec.trials or inf) < FEWEST_TRIALS:
        return plan
    watch = partial(_watch, order, on_progress, stop)
    watch()
    problem, frame = _problem(order, given.take(_sample(given, rows, spec.seed)))
    until = order.began + order.allowed if spec.trials else clock.monotonic() + PATIENCE * order.allowed
    if not ready(until - clock.monotonic()):
        return replace(plan, warnings=(*plan.warnings, f"{UNKNOWN}: the workers were not there in time."))
    clear(place.folder)  # of what was there when the search was killed
    joblib.dump(problem, place.folder / PROBLEM)
    joblib.dump(frame, place.folder / ROWS)
    hands = Pool(replace(share, workers=min(share.workers, FOLDS)), place)
    try:
        return refine(plan, Judges(problem, hands, until, watch), whole=rows == len(given.frame))
    except Late as late:
        return replace(plan, warnings=(*plan.warnings, f"{UNKNOWN}: {late}."))
    finally:
        hands.close()
        clear(place.folder)


def _watch(order: Order, on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool] | None) -> bool:
    """Say what takes so long; return whether somebody wants it to stop."""
    if on_progress is not None:
        on_progress(Progress(0, 0, None, "", clock.monotonic() - order.began, order.allowed, doing=DOING))
    return stop is not None and stop()


def _rows(given: Given, plan: Plan, outputs: int, budget: float) -> int:
    """Return how many rows the evidence may read; 0 when it is not worth its time."""
    fit = SHARE * budget / (FITS * FOLDS)
    rows = int(min(MOST, len(given.frame), fit / (COST * (len(plan.used) + 10) * max(1, outputs / 2))))
    return rows if plan.used and rows >= FEWEST else 0


def _sample(given: Given, rows: int, seed: int) -> np.ndarray:
    return sampled(len(given.frame), rows, ordered=given.time is not None, seed=seed)


def _problem(order: Order, part: Given) -> tuple[Problem, pd.DataFrame]:
    """Return what the workers read: rows in folds as the search makes them."""
    whole, seed = conformed(part, order.plan, order.task), order.spec.seed
    classes = np.unique(whole.y) if order.task != "regression" else None
    outputs = 1 if classes is None else len(classes)
    job = Job(order.task, order.metric.name, len(whole.y), len(order.plan.used), outputs, seed=seed)
    folds = folds_of(
        len(whole.y), whole.y if job.classifies else None, FOLDS,
        time=as_number(part.time), group=part.group, gap=part.gap, seed=seed,
    )  # fmt: skip
    return Problem(order.plan, part.frame.iloc[:1].copy(), whole.y, whole.weight, folds, job, order.metric,
                   order.positive, (LightGBM(),), classes), whole.frame  # fmt: skip


def refine(plan: Plan, judges: Judges, *, whole: bool) -> Plan:
    """Return the plan with the derived columns that pay; without raw ones that say nothing, if `whole` rows say so."""
    alone = judges.weigh(noise=SHADOWS)
    known = {name: float(np.mean([each.gains.get(name, 0.0) for each in alone])) for name in plan.inputs}
    base = judges.weigh()
    kept, base = _kept(proposals(plan, known), base, judges)
    plan = replace(plan, derived=kept)
    return _without_noise(plan, alone, base, judges) if whole else plan


def _kept(offered: Sequence[Derived], base: list[Weighed], judges: Judges) -> tuple[tuple[Derived, ...], list[Weighed]]:
    """Add candidates one by one, and keep each that pays beside those kept before."""
    kept: tuple[Derived, ...] = ()
    if not offered:
        return kept, base
    for each in _promising(offered, judges.weigh(offered, noise=SHADOWS)):
        after = judges.weigh((*kept, each))
        gain = Gain.of(base, after)
        if gain.pays:
            kept, base = (*kept, _explained(each, gain)), after
    return kept, base


def _promising(offered: Sequence[Derived], weighed: Sequence[Weighed]) -> list[Derived]:
    """Return the candidates that gain more than noise in nearly all folds, the best first."""
    found = {
        each: float(np.mean([fold.gains[each.name] / max(sum(fold.gains.values()), 1e-12) for fold in weighed]))
        for each in offered
        if np.mean([fold.gains[each.name] > fold.gains[NOISE] for fold in weighed]) >= STEADY
    }
    return sorted(found, key=lambda each: -found[each])[:TRIED]


def _explained(derived: Derived, gain: Gain) -> Derived:
    why = f"{gain.share:.1%} less loss on rows that did not learn ({gain.errors:.1f} standard errors)"
    return replace(derived, gain=gain.share, stability=gain.folds, reason=f"{why}, in {gain.folds:.0%} of the folds")


def _without_noise(plan: Plan, alone: Sequence[Weighed], base: list[Weighed], judges: Judges) -> Plan:
    """Drop the columns that gain no more than noise in any fold, if nothing is lost without all of them."""
    parents = {name for each in plan.derived for name in each.columns}
    idle = [
        column.name
        for column in plan.used
        if column.role in JUDGED and not column.said and column.name not in parents
        and all(fold.gains.get(column.name, 0.0) <= fold.gains[NOISE] for fold in alone)
    ]  # fmt: skip
    if not idle or len(idle) == len(plan.used):
        return plan
    gain = Gain.of(base, judges.weigh(plan.derived, without=idle))
    if gain.share < NO_WORSE:
        return plan
    return replace(plan, columns=tuple(_dropped(each) if each.name in idle else each for each in plan.columns))


def _dropped(column: ColumnPlan) -> ColumnPlan:
    return replace(column, role="dropped", reason=f"{column.reason}, and says no more about the target than noise")
