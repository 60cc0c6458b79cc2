"""The choice of members ends in time, however slow they turn out to be. What makes and times pipelines is far away."""

import time as clock
from dataclasses import replace
from types import SimpleNamespace

import pytest

from everfit.search import choosing
from everfit.search.choosing import Choosing
from everfit.search.postprocessing import Postprocessing
from everfit.search.tasks import Limits, Outcome

CANDIDATES = [Outcome(number, "f", {}, "done", model_ms=30.0 - number, model_mb=1.0) for number in range(20)]
ALL = {each.number: 1 / 20 for each in CANDIDATES}
LONG = 0.02  # seconds that it takes to make and to time one


@pytest.fixture
def timed(monkeypatch):
    """Have each pipeline take long to make, and a row as long as its slowest member says; return what was timed."""
    seen = []

    def milliseconds(made, _):
        clock.sleep(LONG)
        seen.append([each.number for each in made])
        return max(each.model_ms for each in made)

    parts = {
        "said": lambda *_, **__: SimpleNamespace(error_of=lambda _: 1.0),
        "choose": lambda *given: {each.number: 1 / len(given[2]) for each in given[2]},
        "costs": lambda _, members: (sum(each.model_ms for each in members), 1.0),
        "price_of": lambda _, members, limits: sum(each.model_ms for each in members) / limits.ms,
        "pipeline": lambda *given: list(given[2]),
        "postprocessing": lambda *_: Postprocessing(),
        "milliseconds": milliseconds,
    }
    monkeypatch.setattr(choosing, "finish", SimpleNamespace(**parts))
    return seen


def choose(limit, seconds):
    return Choosing(None, None, CANDIDATES, Limits(ms=limit), clock.monotonic() + seconds)


def test_with_time_the_best_that_is_fast_enough_stands_alone(timed):
    assert choose(20.0, 60).weights() == {10: 1.0}
    weights, _, _, ms = choose(20.0, 60).assembled(ALL, {})
    assert (min(weights), ms) == (10, 20.0)


@pytest.mark.parametrize("seconds", [-1, 3.5 * LONG])
def test_when_the_time_is_over_nothing_more_is_timed_and_the_cheapest_stands_alone(timed, seconds):
    assert choose(1.0, seconds).weights() == {19: 1.0}
    assert len(timed) <= 5
    timed.clear()
    weights, _, made, ms = choose(1.0, seconds).assembled(ALL, {})
    assert (weights, made, ms) == ({19: 1.0}, CANDIDATES[-1:], 11.0)
    assert len(timed) <= 6


def test_what_is_fast_enough_stays_also_when_the_time_is_over(timed):
    assert choose(100.0, -1).weights() == ALL
    assert choose(100.0, -1).assembled(ALL, {})[0] == ALL


def test_of_a_limit_that_nobody_said_fitted_members_are_not_dropped_late(timed):
    late = choose(1.0, -1)
    unsaid = Choosing(None, None, CANDIDATES, Limits(ms=1.0, said=False), late.until)
    assert unsaid.assembled(ALL, {})[0] == ALL


@pytest.mark.parametrize(
    ("ms", "error", "members", "bag"), [(9.0, 0.30, 2, 5), (9.0, 0.3295, 1, 10), (18.0, 0.30, 2, 10)]
)
def test_some_models_of_a_good_blend_are_better_than_all_of_a_worse_one(monkeypatch, ms, error, members, bag):
    both = [Outcome(number, "f", {}, "done", model_ms=0.9, folds=tuple(range(10))) for number in range(2)]

    def price_of(_, bags, limits):
        return sum(each.model_ms * len(each.folds[: each.bag]) for each in bags) / limits.ms

    def choose(_, __, bags, limits, ___):
        chosen = bags if price_of(_, bags, limits) <= 1 else bags[:1]
        return {each.number: 1 / len(chosen) for each in chosen}

    parts = {
        "choose": choose, "price_of": price_of,
        "said": lambda *_, **__: SimpleNamespace(error_of=lambda weights: error if len(weights) > 1 else 0.33),
        "pipeline": lambda *given: given[2], "milliseconds": lambda made, _: price_of(_, made, Limits(ms=1.0)),
    }  # fmt: skip
    monkeypatch.setattr(choosing, "finish", SimpleNamespace(**parts))
    made = Choosing(None, None, both, Limits(ms=ms), clock.monotonic() + 60)
    assert made.members(made.weights()) == [replace(each, bag=bag) for each in both[:members]]
