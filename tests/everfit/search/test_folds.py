import numpy as np
import pytest

from everfit.errors import DataError
from everfit.search.folds import Effort, folds_of, sampled

N = 400


def test_later_rows_validate_earlier_ones_and_equal_times_stay_together():
    when = np.repeat(np.arange(80.0), 5)
    folds = folds_of(N, None, 5, time=when)
    assert len(folds) == 5
    for fold in folds:
        assert when[fold.train].max() < when[fold.valid].min()
    assert np.concatenate([fold.valid for fold in folds]).tolist() == list(range(200, 400))


def test_rows_younger_than_the_gap_are_not_learnt_from():
    when = np.arange(float(N))
    for fold in folds_of(N, None, 5, time=when, gap=30.0):
        assert when[fold.valid].min() - when[fold.train].max() == 30


def test_one_fold_of_ordered_rows_is_its_last_fifth():
    (fold,) = folds_of(N, None, 1, time=np.arange(float(N)))
    assert fold.valid.tolist() == list(range(320, 400))


def test_groups_stay_whole():
    group = np.random.default_rng(0).integers(0, 30, N)
    for fold in folds_of(N, None, 5, group=group):
        assert not set(group[fold.train]) & set(group[fold.valid])


def test_rows_without_a_group_stand_alone():
    group = np.array(["a", None] * 200, dtype=object)
    folds = folds_of(N, None, 5, group=group)
    assert max(len(fold.valid) for fold in folds) < 300


def test_each_fold_has_its_share_of_each_class():
    labels = np.array(["a"] * 360 + ["b"] * 40)
    for fold in folds_of(N, labels, 5):
        assert (labels[fold.valid] == "b").sum() == 8


def test_classes_of_one_member_do_not_stop_it():
    labels = np.array(["a"] * 398 + ["b", "c"])
    assert len(folds_of(N, labels, 5)) == 5


def test_folds_that_could_not_learn_two_classes_are_left_out():
    labels = np.array(["a"] * 250 + ["b"] * 150)
    folds = folds_of(N, labels, 5, time=np.arange(float(N)))
    assert all(len(set(labels[fold.train])) == 2 for fold in folds)


def test_rows_that_can_never_judge_one_another_are_refused():
    with pytest.raises(DataError, match="No part of the rows"):
        folds_of(N, np.array(["a"] * 399 + ["b"]), 5, time=np.arange(float(N)))


def test_more_data_means_fewer_folds_and_then_a_sample():
    small, middle, large = (Effort.of(rows, 20, 1, 60) for rows in (2_000, 30_000, 3_000_000))
    assert (small.folds, small.parts, small.rows, small.rounds) == (8, 8, 2_000, 3_000)
    assert (middle.folds, middle.parts, middle.rows) == (1, 10, 30_000)
    assert large.folds == 1
    assert 100 <= large.rounds < 1_500
    assert 100_000 < large.rows < 1_000_000
    assert Effort.of(3_000_000, 20, 1, 600).rows > large.rows


def test_few_rows_are_judged_by_more_folds_even_if_that_leaves_time_for_fewer_trials():
    assert Effort.of(4_500, 19, 1, 20).folds == 4
    assert Effort.of(20_000, 19, 1, 20).folds == 1
    assert Effort.of(4_500, 19, 1, 4).folds == 1, "there is no time for it"


def test_a_sample_of_ordered_rows_spans_them_all():
    assert sampled(1000, 10, ordered=True, seed=0)[[0, -1]].tolist() == [0, 999]
    assert len(set(sampled(1000, 10, ordered=False, seed=0))) == 10
