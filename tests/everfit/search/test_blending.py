from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from everfit import evaluation
from everfit.search import finish, folds, shelf
from everfit.search.blending import Said, choose
from everfit.search.tasks import MEMBERS, Outcome

N = 600
CHANCE = np.random.default_rng(0)
TRUTH = CHANCE.normal(size=N)


def noisy(scale, seed):
    return TRUTH + scale * np.random.default_rng(seed).normal(size=N)


def said(*arrays, y=TRUTH, metric="rmse", folds=5, **more):
    parts = dict(enumerate(np.asarray(array, dtype="float32") for array in arrays))
    return Said(parts, y, None, np.arange(N) % folds, evaluation.metric(metric), **more)


def free(_):
    return 0.0


def test_unlike_models_of_equal_quality_are_averaged():
    weights = choose(said(noisy(1.0, 1), noisy(1.0, 2), noisy(1.0, 3)), free)
    assert set(weights) == {0, 1, 2}
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights.values()) < 0.5


def test_the_best_stands_alone_when_the_others_bring_nothing():
    good = noisy(0.1, 1)
    assert choose(said(good, good + 3.0, noisy(5.0, 2)), free) == {0: 1.0}


def test_a_blend_that_is_no_better_for_sure_is_not_made():
    good = noisy(0.5, 1)
    hardly = good + 0.001 * np.random.default_rng(5).normal(size=N)
    assert len(choose(said(good, hardly), free)) == 1


def test_at_most_a_handful_of_members():
    assert len(choose(said(*(noisy(1.0, seed) for seed in range(12))), free)) == MEMBERS


def test_what_is_too_dear_is_left_out():
    given = said(noisy(1.0, 1), noisy(1.0, 2), noisy(1.01, 3))
    assert set(choose(given, lambda numbers: 4.0 * len(numbers), 8.0)) == {0, 1}
    assert set(choose(given, lambda numbers: 100.0 * (0 in numbers) + len(numbers), 8.0)) == {1, 2}


def test_when_all_are_too_dear_the_cheapest_is_taken():
    assert choose(said(noisy(0.1, 1), noisy(1.0, 2)), lambda numbers: 30.0 - 10.0 * (1 in numbers), 8.0) == {1: 1.0}


def test_probabilities_are_averaged_and_the_positive_class_is_judged():
    y = np.where(TRUTH > 0, "yes", "no")
    p = [1 / (1 + np.exp(-noisy(1.0, seed))) for seed in (1, 2)]
    tables = [np.column_stack([each, 1 - each]) for each in p]
    classes = np.array(["no", "yes"])
    given = said(*tables, y=y, metric="roc_auc", classes=classes, positive="no")
    assert given.gain(given.said[0]) < 0.5
    right = said(*(t[:, ::-1] for t in tables), y=y, metric="roc_auc", classes=classes, positive="yes")
    assert set(choose(right, free)) == {0, 1}


def test_weights_of_rows_count():
    heavy = np.where(TRUTH > 0, 1.0, 0.0)
    right_where_heavy = np.where(TRUTH > 0, TRUTH, TRUTH + 9.0)
    made = {0: right_where_heavy.astype("float32"), 1: noisy(0.5, 1).astype("float32")}
    folds = np.arange(N) % 5
    assert choose(Said(made, TRUTH, heavy, folds, evaluation.metric("rmse")), free) == {0: 1.0}
    assert choose(Said(made, TRUTH, None, folds, evaluation.metric("rmse")), free).get(1, 0.0) > 0.5


def test_of_many_rows_no_more_are_read_than_are_needed(tmp_path):
    parts = np.array_split(np.arange(N), 4)
    facts = {
        "y": TRUTH,
        "weight": None,
        "metric": evaluation.metric("rmse"),
        "classes": None,
        "positive": None,
        "factors": None,
    }
    problem = SimpleNamespace(folds=[folds.Fold(np.arange(N), part) for part in parts], **facts)
    for at, part in enumerate(parts):
        shelf.put(tmp_path, 7, at, None, TRUTH[part])
    few = finish.said(problem, tmp_path, [Outcome(7, "f", {}, "done", folds=(0, 1, 2, 3))], most=100)
    np.testing.assert_allclose(few.said[7], few.y)
    assert np.bincount(few.folds).tolist() == [25] * 4


def test_candidates_are_compared_as_sure_as_they_should_be(tmp_path):
    sure, names = np.random.default_rng(1).dirichlet([0.3, 0.3, 0.3], N), np.array(["a", "b", "c"])
    codes = (np.random.default_rng(2).random((N, 1)) > sure.cumsum(axis=1)).sum(axis=1)
    soft = np.sqrt(sure + 1e-6) / np.sqrt(sure + 1e-6).sum(axis=1, keepdims=True)
    facts = {"y": names[codes], "weight": None, "classes": names, "positive": None, "factors": None, "tempers": True}
    problem = SimpleNamespace(
        folds=[folds.Fold(np.arange(N), np.arange(N))], metric=evaluation.metric("log_loss"), **facts
    )
    shelf.put(tmp_path, 7, 0, None, soft.astype("float32"))
    (made,) = finish.tempered(problem, tmp_path, [Outcome(7, "f", {}, "done", folds=(0,))])
    assert made.scale == pytest.approx(2.0, rel=0.2)
    np.testing.assert_allclose(finish.said(problem, tmp_path, [made]).said[7].sum(axis=1), 1, rtol=1e-5)
    before, after = (finish.said(problem, tmp_path, [each]) for each in (replace(made, scale=1.0), made))
    assert after.error_of({7: 1.0}) < 0.95 * before.error_of({7: 1.0})
    assert finish.tempered(SimpleNamespace(tempers=False), tmp_path, [made]) == [made], "an order needs no scale"


def test_a_little_of_another_model_may_be_better_than_half_of_it():
    weights = choose(said(noisy(0.5, 1), noisy(1.2, 2)), free)
    assert 0 < weights[1] < 0.3


def test_of_those_that_are_nearly_as_cheap_as_the_cheapest_the_best_is_taken():
    prices = {0: 20.0, 1: 22.0, 2: 60.0}
    given = said(noisy(1.0, 1), noisy(0.3, 2), noisy(0.1, 3))
    assert choose(given, lambda numbers: sum(prices[number] for number in numbers), 8.0) == {1: 1.0}


def test_nothing_is_added_when_the_time_is_over():
    assert len(choose(said(noisy(1.0, 1), noisy(1.0, 2)), free, until=0.0)) == 1
