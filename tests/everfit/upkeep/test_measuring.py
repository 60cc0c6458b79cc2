"""The few numbers that a labelled batch gives, whatever models have said of it."""

import json

import numpy as np

from everfit.ledger.entries import write_facts
from everfit.spec import Refit
from everfit.upkeep.advance import advance, begin
from everfit.upkeep.measuring import Answers, measure
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
