from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from everfit import evaluation
from everfit.evaluation import is_beyond, row_hashes
from everfit.schema import Schema
from everfit.spec import ModelSpec
from tasks.evaluate import _unjudged, unseen

KNOWN = pd.DataFrame({"x": [1, 2, 2], "s": ["a", None, None], "_row": [0, 1, 2], "_batch": "old"})


def test_a_file_that_grew_has_only_its_new_rows_beyond_what_is_known():
    grown = pd.DataFrame({"x": [9, 2, 1, 2], "s": ["z", None, "a", None], "_row": range(4)})
    assert is_beyond(grown, KNOWN).tolist() == [True, False, False, False]


def test_one_copy_more_than_is_known_is_new():
    assert is_beyond(pd.DataFrame({"x": [2.0, 2.0, 2.0], "s": [None] * 3}), KNOWN).tolist() == [False, False, True]


def test_columns_that_only_one_side_has_do_not_count():
    assert is_beyond(pd.DataFrame({"x": [1, 7], "new": [5, 5]}), KNOWN).tolist() == [False, True]


def test_where_nothing_is_known_everything_is_new():
    assert np.all(is_beyond(pd.DataFrame({"x": [1, 1]}), pd.DataFrame()))


LARGE = [2**53 + 1, 2**53 + 2, -(2**62) - 1, 2**63 - 1, 2**63 - 2]


@pytest.mark.parametrize("ids", [pd.Series(LARGE), pd.Series([*LARGE, None], dtype="Int64")])
def test_ids_beyond_what_floats_tell_apart_are_told_apart(ids):
    frame = pd.DataFrame({"id": ids, "x": 1.0})
    assert len(set(row_hashes(frame))) == len(frame)
    assert is_beyond(frame, frame[:1]).tolist() == [False] + [True] * (len(frame) - 1)
    assert row_hashes(frame[:5]).tolist() == row_hashes(pd.DataFrame({"id": LARGE, "x": 1})).tolist()


def test_large_whole_numbers_are_the_same_rows_as_integers_and_as_floats():
    whole = pd.DataFrame({"x": [2**53 - 1, 2**53, -(2**60)]})
    assert row_hashes(whole).tolist() == row_hashes(whole.astype("float64")).tolist()
    assert row_hashes(whole[:1]).tolist() == row_hashes(whole[:1], way=2).tolist()


def test_a_large_whole_number_is_another_row_than_the_float_of_the_same_bits():
    floats = np.array([2.0, 3.5, -1e300])
    alike = pd.DataFrame({"x": floats.view("int64")})
    assert not set(row_hashes(pd.DataFrame({"x": floats}))) & set(row_hashes(alike))


def table(seed: int, count: int = 300) -> pd.DataFrame:
    """Rows of every type with holes in them, so few values that some rows are equal."""
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "n": chance.integers(-2, 2, count),
            "x": chance.choice([0.0, 0.5, np.inf], count),
            "s": pd.Series(chance.choice(["a", "b", "", "0"], count), dtype="str"),
            "b": chance.choice([True, False], count),
            "t": pd.to_datetime(chance.choice(["2026-01-01", "2026-01-02"], count)),
        }
    )
    return frame.assign(**{name: frame[name].mask(chance.random(count) < 0.3) for name in ("x", "s", "t")})


ADDED = [np.nan, pd.NaT, pd.Series([None] * 300, dtype="str"), pd.Series([None] * 300, dtype=object)]
SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_have_one_number_exactly_when_they_are_equal(seed):
    frame = table(seed)
    same = frame.groupby(list(frame), dropna=False).ngroup()
    assert 50 < same.nunique() < 300
    assert pd.Series(row_hashes(frame)).groupby(same).nunique().eq(1).all()
    assert len(set(row_hashes(frame))) == same.nunique()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("added", ADDED)
def test_a_column_without_values_does_not_change_a_row_whatever_its_type(seed, added):
    frame = table(seed)
    assert row_hashes(frame.assign(e=added)).tolist() == row_hashes(frame).tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_column_that_is_added_changes_only_the_rows_that_have_a_value_in_it(seed):
    frame, filled = table(seed), np.arange(300) % 3 == 0
    for value in (0, "", "a", False, pd.Timestamp(0)):
        column = pd.Series([value] * 300).where(filled)
        assert ((row_hashes(frame.assign(e=column)) != row_hashes(frame)) == filled).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_columns_does_not_count_and_what_stands_in_which_column_does(seed):
    frame = table(seed)
    turned = frame[np.random.default_rng(seed).permutation(list(frame))]
    assert row_hashes(turned).tolist() == row_hashes(frame).tolist()
    one, other = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"a": [2], "b": [1]})
    assert row_hashes(one).tolist() != row_hashes(other).tolist()
    assert row_hashes(one[["a"]]).tolist() != row_hashes(one[["a"]].set_axis(["b"], axis=1)).tolist()


def champion_of(train: pd.DataFrame, way: int = evaluation.HASHING) -> SimpleNamespace:
    """What is known of a model that learnt these rows; models from before did not write down how rows are hashed."""
    written = {} if way == 1 else {"hashing": way}
    hashes = row_hashes(train, way=way)
    return SimpleNamespace(schema=Schema.of(train), card={"split": written}, train_rows=hashes)


@pytest.mark.parametrize("way", [1, 2, evaluation.HASHING])
def test_a_champion_of_any_age_knows_the_rows_with_large_ids_that_it_learnt_from(way):
    old = pd.DataFrame({"id": LARGE})
    assert len(unseen(old, champion_of(old, way))) == 0


@pytest.mark.parametrize("way", [1, 2, evaluation.HASHING])
@pytest.mark.parametrize("later", ["text", 1.5, True, pd.Timestamp("2026-01-01")])
def test_no_row_that_the_champion_learnt_from_judges_it_after_an_empty_column_got_values(way, later):
    old, new = table(0).assign(e=np.nan).drop_duplicates(), table(1).drop_duplicates()
    both = pd.concat([old.assign(e=pd.Series([None] * len(old), dtype=object)), new.assign(e=later)], ignore_index=True)
    both["e"] = both["e"].infer_objects()
    assert len(unseen(both.iloc[: len(old)], champion_of(old, way))) == 0


@pytest.mark.parametrize("way", [1, 2, evaluation.HASHING])
def test_no_row_that_the_champion_learnt_from_judges_it_after_a_column_became_text(way):
    old = table(0)
    texts = old.assign(
        n=old["n"].astype("str"),
        b=old["b"].map({True: "true", False: "false"}),
        t=old["t"].map(lambda t: t.isoformat(), na_action="ignore").astype("str"),
    )
    assert len(unseen(texts, champion_of(old, way))) == 0


@pytest.mark.parametrize(("fresh", "said"), [(0, "every row"), (9, "all but 9 of the rows"), (10, "")])
def test_a_champion_that_has_learnt_from_nearly_every_row_is_judged_by_none(fresh, said):
    assert _unjudged(3, fresh, 100) == (said and f"v3 has learnt from {said} that could judge it")


def test_the_split_stays_when_a_column_is_added_or_filled_for_the_first_time():
    spec = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "n", "task": "regression"}})
    old = table(0).assign(e=np.nan)
    judged = set(evaluation.split(old, spec).test)
    new = table(1).assign(e="text", more=1.5)
    both = pd.concat([old.astype({"e": object}), new], ignore_index=True)
    assert {at for at in evaluation.split(both, spec).test if at < 300} == judged
