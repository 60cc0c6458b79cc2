import time

import numpy as np
import pandas as pd
import pytest

from everfit import evaluation
from everfit.errors import DataError, SpecError
from everfit.spec import ModelSpec

N = 1000


def spec(holdout=0.2, **data):
    return ModelSpec.model_validate(
        {"name": "m", "data": {"source": "x", "target": "y", **data}, "evaluation": {"holdout": holdout}}
    )


def rows(n=N, seed=0):
    chance = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": chance.normal(size=n),
            "c": chance.choice(["u", "v"], n),
            "g": chance.integers(0, 60, n),
            "t": pd.date_range("2024", periods=n, freq="h"),
            "y": chance.choice(["no", "yes"], n, p=[0.9, 0.1]),
        }
    )


def test_about_the_asked_share_judges_and_no_row_is_on_both_sides():
    split = evaluation.split(rows(), spec())
    assert 0.15 * N < len(split.test) < 0.25 * N
    assert sorted([*split.train, *split.test]) == list(range(N))
    assert split.how == "rows"


@pytest.mark.parametrize("n", [500, 5000])
def test_each_class_gives_its_share(n):
    frame = rows(n).assign(y=lambda f: np.where(f.index % 20 == 0, "rare", "usual"))
    judging = frame["y"].iloc[evaluation.split(frame, spec()).test]
    assert judging.value_counts().to_dict() == {"usual": n * 0.19, "rare": n * 0.01}


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_repeat_stay_together_and_the_share_is_the_nearest_that_they_allow(seed):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": chance.integers(0, 20, 4000), "y": chance.choice(["no", "yes"], 4000)})
    split = evaluation.split(frame, spec())
    assert abs(len(split.test) - 800) <= frame.value_counts().max()


def test_all_rows_of_an_id_are_on_one_side_whatever_their_classes():
    frame = rows().assign(id=lambda f: f.index // 4)
    split = evaluation.split(frame, spec(ids=["id"]))
    assert not set(frame["id"].iloc[split.train]) & set(frame["id"].iloc[split.test])


@pytest.mark.parametrize(("target", "moved"), [("y", 20), ("a", 0)])
def test_a_row_stays_on_its_side_when_the_data_grow_and_turn_around(target, moved):
    small, more = rows(), rows(seed=1)
    judged = set(evaluation.row_hashes(small.iloc[evaluation.split(small, spec(target=target)).test]).tolist())
    grown = pd.concat([more, small[::-1]], ignore_index=True)[["y", "t", "g", "c", "a"]]
    again = set(evaluation.row_hashes(grown.iloc[evaluation.split(grown, spec(target=target)).test]).tolist())
    assert len(judged - again) <= moved  # of 1,000, beside the cut of a class


def test_equal_rows_stay_together():
    twice = pd.concat([rows(), rows()], ignore_index=True)
    split = evaluation.split(twice, spec())
    assert not set(evaluation.row_hashes(twice.iloc[split.test])) & set(evaluation.row_hashes(twice.iloc[split.train]))


def test_bookkeeping_widened_numbers_and_the_order_of_columns_do_not_change_a_row():
    one = pd.DataFrame({"a": [1, 2], "b": ["x", None], "_row": [0, 1], "_batch": "p"})
    two = pd.DataFrame({"b": ["x", None], "a": [1.0, 2.0], "_row": [7, 8], "_batch": "q"})
    assert evaluation.row_hashes(one).tolist() == evaluation.row_hashes(two).tolist()
    assert len(set(evaluation.row_hashes(one).tolist())) == 2


def test_a_small_class_is_on_both_sides_and_a_single_row_is_learnt_from():
    frame = rows()
    frame.loc[[5, 6], "y"] = "rare"
    frame.loc[7, "y"] = "single"
    split = evaluation.split(frame, spec())
    assert (frame["y"].iloc[split.train] == "rare").sum() == 1
    assert 7 in split.train


def test_the_last_share_of_time_judges():
    frame = rows()
    split = evaluation.split(frame.sample(frac=1, random_state=0), spec(time="t"))
    assert len(split.test) == 200
    shuffled = frame.sample(frac=1, random_state=0)
    assert shuffled["t"].iloc[split.train].max() < shuffled["t"].iloc[split.test].min()


def test_the_last_period_judges():
    split = evaluation.split(rows(), spec(holdout="2d", time="t"))
    assert len(split.test) == 48


def test_rows_whose_label_was_not_known_when_the_judged_time_began_are_on_neither_side():
    frame = rows()
    plain, gapped = (evaluation.split(frame, spec(time="t", **data)) for data in ({}, {"label_delay": "2d"}))
    assert gapped.test.tolist() == plain.test.tolist()
    start = frame["t"].iloc[gapped.test].min()
    assert frame["t"].iloc[gapped.train].max() == start - pd.Timedelta("2D")
    assert gapped.left_out == 47


def test_a_gap_that_leaves_too_few_rows_names_both_numbers():
    with pytest.raises(DataError, match="Of 800 rows before the judged ones, 8 had their label by then; 10 are needed"):
        evaluation.split(rows(), spec(time="t", label_delay="793h"))


def test_a_row_with_an_id_stays_on_its_side_when_its_label_is_corrected():
    frame = rows().assign(id=range(N))
    before = evaluation.split(frame, spec(ids=["id"]))
    corrected = frame.assign(id=frame["id"].astype(str), y=np.where(frame["y"] == "no", "yes", "no"))
    assert evaluation.split(corrected, spec(ids=["id"])).test.tolist() == before.test.tolist()


def test_equal_times_stay_on_one_side():
    frame = rows().assign(t=lambda f: f["t"].dt.floor("D"))
    split = evaluation.split(frame, spec(time="t"))
    assert not set(frame["t"].iloc[split.train]) & set(frame["t"].iloc[split.test])


WRITTEN = [
    lambda t: t.dt.strftime("%d/%m/%Y %H:%M"),
    lambda t: t.astype("int64"),
    lambda t: t.astype(str),
]


@pytest.mark.parametrize("write", WRITTEN)
def test_times_may_be_text_or_numbers(write):
    frame = rows().assign(t=lambda f: write(f["t"]))
    assert evaluation.split(frame, spec(time="t")).test.tolist() == list(range(800, 1000))


def test_groups_stay_whole_and_on_their_side_when_the_data_grow():
    frame, more = rows(), rows(seed=3)
    split = evaluation.split(frame, spec(group="g"))
    judging = set(frame["g"].iloc[split.test])
    assert judging
    assert not judging & set(frame["g"].iloc[split.train])
    grown = pd.concat([frame, more], ignore_index=True)
    assert judging == set(grown["g"].iloc[evaluation.split(grown, spec(group="g")).test])


def test_time_and_group_together_keep_both_promises():
    frame = rows().assign(g=lambda f: f.index // 30)
    split = evaluation.split(frame, spec(time="t", group="g"))
    assert not set(frame["g"].iloc[split.train]) & set(frame["g"].iloc[split.test])
    assert split.train.max() < split.test.min()
    assert split.left_out == N - len(split.train) - len(split.test) > 0


def test_rows_without_an_answer_or_a_time_are_on_neither_side():
    frame = rows()
    frame.loc[:9, "y"] = None
    frame.loc[10:14, "t"] = pd.NaT
    split = evaluation.split(frame, spec(time="t"))
    assert split.left_out == 15
    assert set(range(15)).isdisjoint([*split.train, *split.test])


def test_the_hash_names_the_judging_rows_and_not_their_order():
    frame = rows()
    one = evaluation.split(frame, spec())
    assert one.rows_hash == evaluation.split(frame[::-1], spec()).rows_hash
    assert one.rows_hash != evaluation.split(frame, spec(holdout=0.3)).rows_hash


@pytest.mark.parametrize(
    ("change", "data", "holdout", "error", "says"),
    [
        ({"t": pd.Timestamp("2024")}, {"time": "t"}, 0.2, DataError, "no row to judge by"),
        ({"t": "never"}, {"time": "t"}, 0.2, DataError, "no time that can be read"),
        ({"g": 1}, {"group": "g"}, 0.2, DataError, "no row to judge by"),
        ({}, {"time": "t"}, "9999d", DataError, "no row to learn from"),
        ({"t": range(N)}, {"time": "t"}, "1d", SpecError, "holds numbers"),
        ({"t": range(N)}, {"time": "t", "label_delay": "1d"}, 0.2, SpecError, "label_delay is a period"),
    ],
)
def test_a_split_that_leaves_a_side_empty_says_why(change, data, holdout, error, says):
    with pytest.raises(error, match=says):
        evaluation.split(rows().assign(**change), spec(holdout=holdout, **data))


def test_a_hundred_thousand_rows_are_hashed_in_a_moment():
    frame = pd.concat([rows()] * 100, ignore_index=True)
    began = time.process_time()
    evaluation.row_hashes(frame)
    assert time.process_time() - began < 2
