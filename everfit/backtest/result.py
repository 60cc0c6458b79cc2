"""What came of it: the quality and the cost of each policy, and by how much one is better than another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from everfit.backtest.history import History
from everfit.backtest.lives import Deed, together
from everfit.backtest.plan import BEST, NEVER, THIS, Policy, windows
from everfit.backtest.replay import Lived
from everfit.evaluation import Metric
from everfit.record import Record
from everfit.upkeep.losses import Floats

LEVEL = 0.05  # one-sided
WORTH = 0.01  # of the score of never refitting: less is no gain to speak of


@dataclass(frozen=True)
class Standing(Record):
    """How a policy fared: `score` over all rows, `scores` of each batch (None where its rows define none).

    `seconds` are those of one core for each batch, and `cpu_seconds` their sum; the first model is not among them.
    """

    name: str
    title: str
    score: float
    scores: tuple[float | None, ...]
    cpu_seconds: float
    seconds: tuple[float, ...]
    fits: int
    refits: int
    recalibrations: int
    searches: int
    promotions: int
    refused: int
    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True)
class Ahead(Record):
    """By how much one policy is better than another: the batches' mean gain in the metric, p of a one-sided test."""

    of: str
    gain: float
    p_value: float
    batches: int

    @property
    def shown(self) -> bool:
        """Whether the gain is more than luck."""
        return self.gain > 0 and self.p_value < LEVEL


@dataclass(frozen=True)
class Span(Record):
    """One batch of the history."""

    began: str
    ended: str
    rows: int


@dataclass(frozen=True)
class Variant(Record):
    """Another value of a threshold: what became of it, and by how much it is ahead of the present one."""

    key: str
    value: float
    now: float
    score: float
    fits: int
    cpu_seconds: float
    ahead: Ahead
    better: bool = False


@dataclass(frozen=True)
class Result(Record):
    """All of it. `share` is the part of what the best window gains over never refitting that the policy gains as well;
    None where there is nothing to gain. `notes` say what history cannot show.
    """

    model: str
    metric: str
    greater: bool
    task: str
    first: str
    warmup: int
    left_out: int
    dated: bool
    delay: int
    spans: tuple[Span, ...]
    policies: tuple[Standing, ...]
    share: float | None
    ahead: tuple[Ahead, ...]
    variants: tuple[Variant, ...] = ()
    notes: tuple[str, ...] = ()
    page: str = ""

    def policy(self, name: str) -> Standing:
        """Return how a policy fared."""
        return next(each for each in self.policies if each.name == name)


def standing(policy: Policy, lived: Lived, history: History) -> Standing:
    """Sum up how a policy fared."""
    scores = [
        history.score(batch.rows, together([said], history))
        for batch, said in zip(history.batches, lived.said, strict=True)
    ]
    actions = [deed.action for deed in lived.deeds]
    seconds = tuple(round(each, 3) for each in lived.seconds)
    return Standing(
        policy.name,
        policy.title,
        history.score(slice(history.warm, None), together(lived.said, history)),
        tuple(score if math.isfinite(score) else None for score in scores),
        round(sum(seconds), 3),
        seconds,
        sum(deed.fits for deed in lived.deeds),
        actions.count("refit"),
        actions.count("recalibrate"),
        actions.count("search"),
        sum(bool(deed.promoted) for deed in lived.deeds),
        actions.count("repair"),
        tuple(lived.deeds) if policy.spec else (),
    )


def standings(policies: Sequence[Policy], lived: Mapping[str, Lived], history: History) -> list[Standing]:
    """Return how each policy fared; of the windows only that of all rows, and the one that was best in hindsight."""
    each = {policy.name: standing(policy, lived[policy.name], history) for policy in policies}
    names = [policy.name for policy in windows(policies)]
    best = max((each[name] for name in names), key=lambda one: history.metric.gain(one.score))
    hindsight = replace(best, name=BEST, title=f"best window in hindsight ({best.title})")
    shown = [one for name, one in each.items() if name not in names[1:]]
    return [*shown, hindsight]


def ahead(metric: Metric, one: Standing, other: Standing) -> Ahead:
    """Compare two policies batch by batch (paired t-test, its error enlarged where neighbouring batches are alike)."""
    return Ahead(other.name, *_test(np.array([
        metric.gain(a) - metric.gain(b)
        for a, b in zip(one.scores, other.scores, strict=True) if a is not None and b is not None
    ])))  # fmt: skip


def _test(gains: Floats) -> tuple[float, float, int]:
    """Return mean, p and count. The first autocorrelation r makes n batches worth n (1 - r) / (1 + r) of them."""
    count = len(gains)
    mean = float(gains.mean()) if count else 0.0
    if count < 3 or not np.ptp(gains):
        return mean, 0.0 if count >= 3 and mean > 0 else 1.0, count
    away = gains - mean
    alike = float(np.clip(away[1:] @ away[:-1] / (away @ away), 0, 0.9))
    worth = max(2.0, count * (1 - alike) / (1 + alike))
    z = mean / (float(gains.std(ddof=1)) / math.sqrt(worth))
    return mean, float(stats.t.sf(z, worth - 1)), count


def share_of(metric: Metric, this: Standing, never: Standing, best: Standing) -> float | None:
    """Return this policy's part of the best window's gain; None when that is hardly a gain."""
    possible = metric.gain(best.score) - metric.gain(never.score)
    if not possible > WORTH * abs(never.score):
        return None
    return (metric.gain(this.score) - metric.gain(never.score)) / possible


def facts(history: History, found: Sequence[Standing]) -> dict[str, Any]:
    """Return what a result says of the policies and the history."""
    known = {each.name: each for each in found}
    this = known[THIS]
    rest = tuple(ahead(history.metric, this, each) for each in found if each.name != THIS)
    spans = tuple(Span(b.began.isoformat(), b.ended.isoformat(), b.stop - b.start) for b in history.batches)
    return {
        "metric": history.metric.name, "greater": history.metric.greater, "task": history.task, "warmup": history.warm,
        "left_out": history.left_out, "dated": history.dated, "spans": spans, "policies": tuple(found),
        "share": share_of(history.metric, this, known[NEVER], known[BEST]), "ahead": rest,
    }  # fmt: skip
