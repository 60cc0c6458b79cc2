import json

import numpy as np
import pandas as pd
import pytest

from everfit import features
from everfit.features import casts
from everfit.spec import Data

N = 400


def role_of(values, *, name="c", **data):
    frame = pd.DataFrame({name: values, "y": np.arange(N) % 2})
    plan = features.plan(frame, Data(source="x", target="y", **data))
    return next(column for column in plan.columns if column.name == name)


@pytest.mark.parametrize(
    ("values", "role"),
    [
        (np.random.default_rng(0).normal(size=N), "numeric"),
        ([1, 2, None, 4] * 100, "numeric"),
        ([True, False] * 200, "boolean"),
        (["a", "b", None, "d"] * 100, "categorical"),
        ([f"level {i % 150}" for i in range(N)], "high_cardinality"),
        ([f"the film of {i} nights" for i in range(N)], "text"),
        (pd.date_range("2020", periods=N), "date"),
        ([f"201410{i % 28 + 1:02d}T000000" for i in range(N)], "date"),
        ([f"2012-10-{i % 28 + 1:02d} 09:00:00" for i in range(N)], "date"),
        ([f"{i % 12 + 1}/{i % 28 + 1}/2011" for i in range(N)], "date"),
        ([f"{i}.5" for i in range(N)], "numeric"),
        ([f"0{i:03d}" for i in range(N)], "dropped"),
        ([1, "a", 2.5, None] * 100, "categorical"),
        ([None] * N, "dropped"),
        ([np.nan] * N, "dropped"),
        ([7] * N, "dropped"),
        (["same"] * N, "dropped"),
        (range(1000, 1000 + N), "dropped"),
        ([f"A-{i:05d}" for i in range(N)], "dropped"),
        ([[1, 2]] * N, "dropped"),
        (np.full(N, 1j), "dropped"),
    ],
)
def test_each_kind_of_column_gets_its_role_and_a_reason(values, role):
    column = role_of(values)
    assert column.role == role
    assert column.reason


def test_a_near_unique_measurement_is_not_taken_for_an_identifier():
    assert role_of(np.random.default_rng(0).permutation(50_000)[:N]).role == "numeric"


def test_a_constant_with_gaps_still_says_something():
    assert role_of([1.0, None] * 200).role == "numeric"


@pytest.mark.parametrize(("said", "role"), [("categorical", "categorical"), ("text", "text"), ("drop", "dropped")])
def test_the_model_file_overrides_what_is_seen(said, role):
    column = role_of([1, 2, 3, 4] * 100, roles={"c": said})
    assert column.role == role
    assert column.reason == ("the model file keeps it out" if said == "drop" else "the model file says so")


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
     "%d-%m-%Y %H:%M", "%d-%b-%Y", "%d-%b-%Y %H:%M:%S", "%d %B %Y"],
)  # fmt: skip
def test_times_are_read_in_many_hands(form):
    when = pd.Series(pd.date_range("2026-01-01", periods=N, freq="37h"))
    written = when.dt.strftime(form)
    read = casts.as_time(written, casts.date_format(written))
    assert read.equals(pd.to_datetime(written, format=form).astype("datetime64[us]"))


def test_target_ids_group_weight_and_lake_bookkeeping_are_never_inputs():
    frame = pd.DataFrame({k: np.arange(N) % 7 for k in ("a", "y", "i", "g", "w", "_batch", "_row")})
    plan = features.plan(frame, Data(source="x", target="y", ids=("i",), group="g", weight="w"))
    assert plan.inputs == ("a",)


def test_the_time_column_gives_its_calendar_and_never_itself():
    frame = pd.DataFrame({"t": pd.date_range("2020", periods=N, freq="h"), "y": np.arange(N) % 2})
    plan = features.plan(frame, Data(source="x", target="y", time="t"))
    made = features.build(plan, "tree", "binary").fit(frame, frame["y"])
    assert list(made.get_feature_names_out()) == ["t[hour]", "t[weekday]"]


def test_a_time_column_of_numbers_has_no_calendar():
    column = role_of(np.arange(N), time="c")
    assert (column.role, column.reason) == ("dropped", "it orders the rows and has no calendar")


def test_a_plan_is_plain_values():
    frame = pd.DataFrame({"d": ["2020-01-05"] * N, "c": ["a", "b"] * 200, "y": 0})
    plain = features.plan(frame, Data(source="x", target="y")).to_dict()
    assert json.loads(json.dumps(plain)) == plain


def test_a_hundred_thousand_rows_and_more_are_judged_by_a_sample():
    frame = pd.DataFrame({"a": np.arange(250_000) % 2 == 0, "y": 1.0})
    assert features.plan(frame, Data(source="x", target="y")).columns[0].role == "boolean"
