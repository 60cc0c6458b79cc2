"""What a refitted model must show before it takes its window's place."""

from dataclasses import replace

import numpy as np
import pytest

from everfit.upkeep.proof import in_doubt, needs_twin, prove
from everfit.upkeep.state import Track

CHAMPION = np.random.default_rng(0).gamma(2, 0.5, size=500)
TRACK = Track("all", 4)


def other(change, seed=1):
    """Losses that are a share higher, each by chance more or less."""
    return CHAMPION * (1 + change) + 0.3 * np.random.default_rng(seed).normal(size=500)


def test_a_window_needs_a_twin_until_labels_have_judged_a_refit_of_it():
    assert needs_twin(replace(TRACK, before=0), 0.5)
    assert needs_twin(replace(TRACK, before=0, loss=0.5, seen=1.0), 0.5), "that it answered says nothing of refits"
    assert not needs_twin(replace(TRACK, before=0), 0.09), "little depends on it"
    assert not needs_twin(replace(TRACK, before=2), 0.5), "the model before was a refit that labels gave this share"
    assert not needs_twin(replace(TRACK, before=0, gain=0.05, gains=1.7), 0.5)


def test_refits_that_did_harm_beyond_chance_put_a_window_in_doubt():
    assert in_doubt(replace(TRACK, gain=-0.05, gains=1.7, z=-1.3, squares=1.49))
    assert not in_doubt(replace(TRACK, gain=-0.05, gains=1.7, z=-0.9, squares=1.49)), "by chance"
    assert not in_doubt(TRACK)


@pytest.mark.parametrize(
    ("fresh", "twin", "because"),
    [
        (np.where(np.arange(500) < 3, np.nan, CHAMPION), None, "3 of its answers are no numbers"),
        (other(0.3), None, "worse on rows that it learnt from"),
        (other(-0.3), other(0.3), "worse: without the newest batch"),
    ],
)
def test_a_model_that_failed_is_refused(fresh, twin, because):
    proof = prove(TRACK, fresh, CHAMPION, twin)
    assert not proof.ok
    assert proof.reason.startswith(because)


def test_a_model_that_has_not_learnt_from_the_newest_rows_is_its_own_twin():
    assert prove(TRACK, same := other(0.06), CHAMPION, same).ok, "not shown to be worse by the margin"
    assert prove(TRACK, same := other(0.3), CHAMPION, same).reason.startswith("worse: without the newest batch")


@pytest.mark.parametrize("twin", [None, CHAMPION, other(0.0), other(-0.3), other(0.04)])
def test_a_model_that_is_not_shown_to_be_worse_is_taken(twin):
    proof = prove(replace(TRACK, gain=0.1, gains=2.0), other(-0.3), CHAMPION, twin)
    assert proof.ok
    assert ("+5.0% of the loss" in proof.reason) == (twin is None)


def test_a_twin_as_good_as_the_champion_is_refused_hardly_ever():
    assert np.mean([prove(TRACK, CHAMPION, CHAMPION, other(0.05, seed)).ok for seed in range(200)]) > 0.9
