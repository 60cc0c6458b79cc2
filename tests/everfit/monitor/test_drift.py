import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from everfit.monitor import drift
from everfit.monitor.drift import Drift, compare, holm
from everfit.monitor.shifts import of_inputs
from everfit.schema import Schema


def frame(rows, rng):
    """Ten columns of the kinds that tests of drift stumble over: heavy tails, ties, rare levels, ids, nulls."""
    data = pd.DataFrame(
        {
            "normal": rng.normal(size=rows),
            "heavy": rng.lognormal(0, 2, size=rows),
            "mostly_zero": np.where(rng.random(rows) < 0.6, 0, rng.exponential(size=rows)),
            "few_values": rng.integers(0, 5, size=rows),
            "flag": rng.random(rows) < 0.3,
            "level": rng.choice(list("abcdefgh"), p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.015, 0.005], size=rows),
            "many_levels": rng.integers(0, 3000, size=rows).astype(str),
            "null_number": rng.normal(size=rows),
            "null_level": rng.choice(list("xyz"), size=rows),
            "constant": 1.0,
        }
    )
    data["null_number"] = data["null_number"].mask(rng.random(rows) < 0.1)
    data["null_level"] = data["null_level"].mask(rng.random(rows) < 0.3)
    return data


def judge(reference, current, **said):
    said = {"columns": Schema.of(reference), "min_rows": 100, **said}
    return compare(reference, current, **said)


@pytest.mark.parametrize(("before", "after", "seeds"), [(2000, 200, 60), (20_000, 500, 25), (5000, 5000, 25)])
def test_equal_data_are_silent_at_the_level_that_is_stated(before, after, seeds):
    spoke = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        spoke += bool(judge(frame(before, rng), frame(after, rng), level=0.05).drifted)
    assert spoke <= 0.05 * seeds + 2 * (0.05 * 0.95 * seeds) ** 0.5


@pytest.mark.parametrize(("rows", "seed"), [(100_000, 0), (100_000, 1), (1_000_000, 2)])
def test_a_hundred_thousand_equal_rows_and_a_million_are_silent(rows, seed):
    rng = np.random.default_rng(seed)
    assert not judge(frame(20_000, rng), frame(rows, rng)).drifted


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("normal", lambda d: d["normal"] + 0.5),
        ("normal", lambda d: d["normal"] * 2),
        ("heavy", lambda d: d["heavy"] * 2),
        ("mostly_zero", lambda d: d["mostly_zero"].where(np.arange(len(d)) % 2 == 0, 1.0)),
        ("few_values", lambda d: d["few_values"].clip(1, 4)),
        ("flag", lambda d: d["flag"] | (np.arange(len(d)) % 3 == 0)),
        ("level", lambda d: d["level"].replace({"b": "new"})),
        ("null_number", lambda d: d["null_number"].mask(np.arange(len(d)) % 5 == 0)),
        ("null_level", lambda d: d["null_level"].fillna("x")),
        ("constant", lambda d: d["constant"].where(np.arange(len(d)) % 4 != 0, 2.0)),
    ],
)
@pytest.mark.parametrize("rows", [1000, 50_000])
def test_a_planted_change_is_found_and_nothing_else(column, change, rows):
    rng = np.random.default_rng(5)
    before, after = frame(10_000, rng), frame(rows, rng)
    found = judge(before, after.assign(**{column: change(after)}))
    assert [c.column for c in found.drifted] == [column]
    assert of_inputs(found).severity == "watch"


def test_one_absurd_outlier_does_not_hide_a_shift():
    rng = np.random.default_rng(0)
    before, after = pd.DataFrame({"x": rng.normal(size=5000)}), pd.DataFrame({"x": rng.normal(1, size=1000)})
    after.loc[0, "x"] = 1e12
    assert judge(before, after).drifted


def test_what_is_significant_but_tiny_is_not_drift():
    rng = np.random.default_rng(0)
    before, after = pd.DataFrame({"x": rng.normal(size=50_000)}), pd.DataFrame({"x": rng.normal(0.05, size=100_000)})
    column = judge(before, after).columns[0]
    assert column.p_value < 1e-6
    assert not column.drifted
    assert column.why == "significant, but too small to matter"


def test_few_rows_are_not_enough_to_judge():
    rng = np.random.default_rng(0)
    found = judge(frame(5000, rng), frame(40, rng), min_rows=500)
    assert not found.judged
    assert "40 rows, 500 are needed" in found.why
    assert not of_inputs(found).judged


def test_missing_columns_times_and_empty_ones_do_not_stop_the_others():
    rng = np.random.default_rng(0)
    before, after = frame(3000, rng), frame(1000, rng)
    before["when"], after["when"] = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-01-01")
    before["empty"], after["empty"] = 1.0, np.nan
    after["normal"] = "not a number"
    after["heavy"] *= 5
    found = judge(before, after.drop(columns="flag"), columns=Schema.of(before))
    by_name = {c.column: c for c in found.columns}
    assert {name for name, c in by_name.items() if c.drifted} == {"heavy", "empty"}
    assert {name for name, c in by_name.items() if not c.judged} == {"flag", "normal"}
    assert not by_name["when"].drifted


def test_awkward_types_are_compared_by_value():
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 500, size=2000)
    plain = pd.DataFrame({"x": numbers.astype(float)})
    for same in (
        pd.array(numbers, dtype="Int64"),
        numbers.astype("uint16"),
        pd.Series([Decimal(int(n)) for n in numbers]),
        pd.Series(numbers, dtype=object),
    ):
        assert not judge(plain, pd.DataFrame({"x": same})).drifted
    infinite = plain.assign(x=plain["x"].where(numbers > 100, np.inf))
    assert judge(plain, infinite).drifted


def test_prediction_drift_is_judged_against_rows_that_were_held_out():
    rng = np.random.default_rng(0)
    before = pd.DataFrame({"x": rng.normal(size=4000), "_prediction": rng.normal(size=4000), "_heldout": True})
    before.loc[:1999, ["_prediction", "_heldout"]] = [np.nan, False]
    same = pd.DataFrame({"x": rng.normal(size=1000), "_prediction": rng.normal(size=1000)})
    columns = Schema.of(before[["x"]])
    assert not judge(before, same, columns=columns).prediction.drifted
    moved = judge(before, same.assign(_prediction=same["_prediction"] + 1), columns=columns)
    assert moved.prediction.drifted
    assert not moved.drifted


def test_the_target_is_compared_where_it_is_known():
    rng = np.random.default_rng(0)
    before = pd.DataFrame({"x": rng.normal(size=2000), "y": rng.choice(["no", "yes"], 2000, p=[0.9, 0.1])})
    after = pd.DataFrame({"x": rng.normal(size=800), "y": rng.choice(["no", "yes"], 800, p=[0.5, 0.5])})
    columns = Schema.of(before[["x"]])
    assert judge(before, after, columns=columns, target="y").target.drifted
    assert judge(before, after.drop(columns="y"), columns=columns, target="y").target is None


def test_the_columns_that_moved_most_come_first():
    rng = np.random.default_rng(0)
    before = pd.DataFrame(rng.normal(size=(2000, 2)), columns=["less", "more"])
    after = pd.DataFrame(rng.normal([1.0, 2.0], size=(1000, 2)), columns=["less", "more"])
    assert [c.column for c in judge(before, after).drifted] == ["more", "less"]


def test_drift_of_a_personal_column_is_judged_and_none_of_its_values_is_kept():
    rng = np.random.default_rng(0)
    before = pd.DataFrame({"email": rng.choice(["ann@example.com", "bob@example.com"], 2000)})
    before["_prediction"] = before["y"] = before["email"]
    after = before.head(1000).assign(email="ann@example.com", y="ann@example.com", _prediction="ann@example.com")
    found = judge(before, after, columns=Schema.of(before[["email"]]), target="y", personal={"email", "y"})
    for column in (*found.drifted, found.target, found.prediction):
        assert column.drifted
        assert "values moved" in column.why
    assert "example.com" not in json.dumps([found.to_dict(), of_inputs(found).to_dict()])


def test_many_rows_are_sampled_and_the_error_is_stated(monkeypatch):
    monkeypatch.setattr(drift, "MAX_ROWS", 2000)
    rng = np.random.default_rng(0)
    found = judge(frame(2000, rng), frame(10_000, rng))
    assert (found.rows_after, found.sampled) == (10_000, 2000)
    assert found.error == pytest.approx(0.0219, abs=1e-4)
    assert "2,000 of 10,000 rows" in found.why


def test_holm_is_what_the_textbook_says():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_drift_comes_back_from_json_as_it_was():
    rng = np.random.default_rng(0)
    found = judge(frame(2000, rng), frame(1000, rng).assign(heavy=7.0))
    assert Drift.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found
