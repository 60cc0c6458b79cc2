"""Models of several windows that answer as one, and the smaller copies that learn from few rows."""

import math
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from everfit.features.assemble import Assemble
from everfit.features.numbers import Numbers
from everfit.models.blend import Blend
from everfit.models.calibrated import Rescaled
from everfit.models.lighter import lighter, merged
from everfit.models.portfolio import Portfolio, moved, odds_to_share, said, share_to_odds

X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
TURNED = np.where(np.arange(200) < 150, 1.0, -1.0) * X["a"].to_numpy()
LABELS = np.where(X["a"] > 0, "up", "down")


def pipeline(model):
    return Pipeline([("encode", Assemble([("numbers", Numbers(), ["a", "b"])])), ("model", model)])


def portfolio(model, y, rows=50, **more):
    every, last = pipeline(model).fit(X, y), pipeline(model).fit(X[-rows:], y[-rows:])
    return Portfolio([("all", every, 0.25, None), ("recent", last, 0.75, rows)], **more)


@pytest.fixture
def numbers():
    return portfolio(LinearRegression(), TURNED, offset=2.0, trust=0.5)


@pytest.fixture
def shares():
    return portfolio(LogisticRegression(), LABELS, offset=1.0, classes=np.array(["down", "up"]))


def test_it_says_the_weighted_mean_moved_by_the_offset_as_far_as_that_is_trusted(numbers):
    every, last = (model.predict(X) for _, model, _, _ in numbers.members)
    np.testing.assert_allclose(numbers.predict(X), 0.25 * every + 0.75 * last + 1.0)
    check_is_fitted(numbers)


def test_an_offset_of_two_classes_moves_log_odds(shares):
    plain = deepcopy(shares).set_params(offset=0.0).predict_proba(X)
    told = shares.predict_proba(X)
    np.testing.assert_allclose(told.sum(axis=1), 1)
    np.testing.assert_allclose(share_to_odds(told[:, 1]), share_to_odds(plain[:, 1]) + 1)
    np.testing.assert_array_equal(shares.predict(X), np.where(told[:, 1] > 0.5, "up", "down"))
    half = shares.set_params(trust=0.5).predict_proba(X)
    np.testing.assert_allclose(half, (plain + told) / 2)


def test_labels_are_said_by_factors(shares):
    far = deepcopy(shares).set_params(factors=np.array([100.0, 1.0]))
    assert (far.predict(X) == "down").sum() > (shares.predict(X) == "down").sum()


def test_probabilities_of_three_classes_are_moved_by_a_logarithm_each():
    three = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    told = moved(three, (0.0, math.log(2), 0.0))
    np.testing.assert_allclose(told, [[0.4, 0.4, 0.2], [1, 0, 0]])
    np.testing.assert_allclose(moved(three, (0.0, math.log(2), 0.0), trust=0.5), (three + told) / 2)
    np.testing.assert_array_equal(moved(three, (1.0, 0.0, 0.0, 0.0)), three)  # it is of other classes


def test_a_fit_has_every_member_learn_its_window_and_keeps_the_rest(numbers):
    again = clone(numbers).fit(X, 10 * TURNED)
    every, last = (model for _, model, _, _ in again.members)
    np.testing.assert_allclose(last.predict(X), -10 * X["a"], atol=1e-4)
    assert np.abs(every.predict(X) + 10 * X["a"]).mean() > 5
    assert (again.offset, again.trust, [member[2:] for member in again.members]) == (2, 0.5, [(0.25, None), (0.75, 50)])
    np.testing.assert_allclose(numbers.members[1][1].predict(X), -X["a"], atol=1e-5)  # as it was


def test_rows_count_by_their_weights(numbers):
    only_old = (np.arange(200) < 150).astype(float) + 1e-9
    again = clone(numbers).fit(X, TURNED, sample_weight=only_old)
    np.testing.assert_allclose(again.members[0][1].predict(X), X["a"], atol=1e-5)
    np.testing.assert_allclose(again.members[1][1].predict(X), -X["a"], atol=1e-5)


def test_a_member_may_know_fewer_classes():
    y = np.where(np.arange(200) < 100, np.where(X["b"] > 1, "flat", LABELS), LABELS)
    made = portfolio(LogisticRegression(), y, classes=np.unique(y))
    assert made.members[1][1].classes_.tolist() == ["down", "up"]
    np.testing.assert_allclose(made.predict_proba(X).sum(axis=1), 1)
    assert said(made.members[1][1], X, made.classes)[:, 1].max() == 0


def test_regressors_have_no_classes(numbers):
    with pytest.raises(AttributeError, match="no classes"):
        _ = numbers.classes_


def test_odds_and_shares_are_each_other_turned_round():
    np.testing.assert_allclose(odds_to_share(share_to_odds(np.array([0.001, 0.5, 0.9]))), [0.001, 0.5, 0.9])


def forest(leaves, trees):
    return RandomForestClassifier(max_leaf_nodes=leaves, n_estimators=trees, random_state=0)


def test_a_lighter_copy_has_half_the_leaves_and_a_classifier_two_thirds_of_the_trees():
    one = lighter(pipeline(LGBMRegressor(num_leaves=20, n_estimators=60))).steps[-1][1]
    assert (one.num_leaves, one.n_estimators) == (10, 60)
    assert lighter(pipeline(LGBMRegressor(num_leaves=127))).steps[-1][1].num_leaves == 15
    assert lighter(pipeline(Ridge(alpha=3.0))).steps[-1][1].get_params() == Ridge(alpha=3.0).get_params()
    whole = pipeline(Blend({"e": Numbers()}, [(["e"], forest(40, 30), 0.5), (["e"], forest(None, 9), 0.5)], classes=()))
    members = lighter(whole).steps[-1][1].members
    assert [(model.max_leaf_nodes, model.n_estimators) for _, model, _ in members] == [(15, 20), (None, 6)]
    assert whole.steps[-1][1].members[0][1].n_estimators == 30


def test_members_that_are_alike_are_merged():
    members = [(["e"], forest(9, 3), 0.2), (["e"], forest(9, 3), 0.3), (["e"], forest(8, 3), 0.5)]
    kept = merged(pipeline(Blend({"e": Numbers()}, members, classes=()))).steps[-1][1].members
    assert [(model.max_leaf_nodes, weight) for _, model, weight in kept] == [(9, 0.5), (8, 0.5)]


def test_a_blend_that_meets_other_classes_forgets_what_was_about_the_old_ones():
    encode = Assemble([("numbers", Numbers(), ["a", "b"])])
    calibrator = Rescaled(scale=np.array([2.0, 1.0]))
    blend = Blend({"e": encode}, [(["e"], LogisticRegression(), 1.0)], (), calibrator, np.array([3.0, 1.0]))
    two = blend.fit(X, LABELS)
    assert (two.calibrator is calibrator, two.factors.tolist()) == (True, [3.0, 1.0])
    three = clone(two).fit(X, np.where(X["b"] > 1, "flat", LABELS))
    assert (three.calibrator, three.factors.tolist()) == (None, [3.0, 1.0, 1.0])
    assert set(three.predict(X)) <= {"down", "flat", "up"}
