"""The few numbers that a labelled batch gives, whatever models have said of it."""

import json

import numpy as np

from everfit.ledger.entries import write_facts
from everfit.models.portfolio import moved
from everfit.spec import Refit
from everfit.upkeep.advance import advance, begin
from everfit.upkeep.measuring import Answers, measure
from everfit.upkeep.mixing import offset
from everfit.upkeep.state import Mix, State

TRUTH = np.random.default_rng(0).normal(10, 2, size=60)
ALONE = Mix({"all": 1.0, "recent": 0.0})
NAN = np.full(60, np.nan)


def test_a_model_that_says_no_numbers_is_left_out_and_the_state_can_be_read_again():
    answers = Answers({"all": TRUTH + 1, "recent": NAN}, {"all": NAN, "recent": TRUTH}, NAN)
    measured = measure(answers, TRUTH, ALONE)
    assert (list(measured.losses), measured.refits, measured.worth) == (["all"], {}, None)
    after, _ = advance(begin(Refit(), "regression"), measured, Refit())
    assert State.from_dict(json.loads(write_facts(after.to_dict()))) == after


def test_the_others_are_measured_where_one_with_weight_says_no_numbers():
    measured = measure(Answers({"all": NAN, "recent": TRUTH + 1}), TRUTH, Mix({"all": 0.7, "recent": 0.3}))
    assert np.isclose(measured.plain, 1)
    assert measure(Answers({"all": NAN}), TRUTH, Mix({"all": 1.0})) is None


def test_labels_that_are_no_numbers_are_left_out():
    odd = np.where(np.arange(60) < 5, np.inf, TRUTH)
    measured = measure(Answers({"all": TRUTH + 1}), odd, Mix({"all": 1.0}))
    assert measured.rows == 55
    assert np.isclose(measured.losses["all"], 1)


def test_answers_that_are_right_on_the_mean_stay_so_where_squared_errors_count():
    dice, after = np.random.default_rng(0), {True: begin(Refit(), "regression"), False: begin(Refit(), "regression")}
    for _ in range(10):
        mean = np.exp(0.3 * dice.normal(size=500)) * 10
        skewed = mean * dice.exponential(1, 500)
        for squared, state in after.items():
            after[squared], _ = advance(state, measure(Answers({"all": mean}), skewed, state.served, squared), Refit())
    assert abs(offset(after[True], Refit())) < 0.5
    assert offset(after[False], Refit()) < -2


def test_a_refit_is_judged_by_squared_errors_too():
    rare = np.where(np.arange(60) < 3, 30.0, 0.0)
    few, many = TRUTH + rare, TRUTH + 3 * np.where(np.arange(60) % 2, 1, -1)  # far off now and then, or always a little
    paid = {
        each: measure(Answers({"all": many}, {"all": few}), TRUTH, Mix({"all": 1.0}), each) for each in (True, False)
    }
    assert paid[True].refits["all"].gain > 0 > paid[False].refits["all"].gain
    assert np.isclose(paid[True].plain, 3)


def test_answers_follow_the_shares_of_many_classes_also_when_another_class_appears():
    dice, state = np.random.default_rng(0), begin(Refit(), "multiclass")
    usual, now = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    for _ in range(6):
        truth = dice.choice(3, size=500, p=now)
        likely = np.exp(2 * (dice.normal(size=(500, 3)) + np.eye(3)[truth])) * usual
        said = likely / likely.sum(axis=1, keepdims=True)
        state, _ = advance(state, measure(Answers({"all": said}), truth, state.served), Refit())
    assert np.allclose(moved(said, offset(state, Refit())).mean(axis=0), now, atol=0.04)
    assert state.moved < 0.9 * state.plain
    assert state.served.trust > 0.9
    assert State.from_dict(json.loads(write_facts(state.to_dict()))) == state
    wider = np.column_stack([said, np.zeros(len(said))])
    after, _ = advance(state, measure(Answers({"all": wider}), truth, state.served), Refit())
    assert len(offset(after, Refit())) == 4
