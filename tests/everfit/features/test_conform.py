import datetime
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from everfit import features
from everfit.features.conform import Conform
from everfit.spec import Data


@pytest.fixture
def plan(rows):
    return features.plan(rows, Data(source="x", target="y"))


@pytest.fixture(params=["tree", "linear", "network"])
def made(request, rows, plan):
    return features.build(plan, request.param, "regression").fit(rows, rows["y"])


def test_a_row_alone_equals_the_row_in_the_batch(rows, made):
    batch = made.transform(rows)
    for at in range(0, len(rows), 7):
        np.testing.assert_array_equal(made.transform(rows.iloc[[at]])[0], batch[at])


def test_a_row_that_came_as_json_equals_the_row_in_the_batch(rows, made):
    batch = made.transform(rows)
    written = json.loads(rows.to_json(orient="records", date_format="iso"))
    for at in range(0, len(rows), 11):
        np.testing.assert_array_equal(made.transform(pd.DataFrame([written[at]]))[0], batch[at])


@pytest.mark.parametrize("name", ["number", "flag", "colour", "town", "day", "written", "title"])
def test_null_from_json_is_missing_and_not_unknown(rows, made, name):
    row = rows.dropna().iloc[[0]]
    holes = row.assign(**{name: pd.Series([None], index=row.index, dtype=object)})
    typed = row.assign(
        **{name: pd.Series([None], index=row.index).astype(rows[name].dtype if name != "flag" else object)}
    )
    np.testing.assert_array_equal(made.transform(holes), made.transform(typed))
    np.testing.assert_array_equal(made.transform(holes), made.transform(row.drop(columns=name)))


def test_the_order_of_columns_and_those_too_many_do_not_matter(rows, made):
    turned = rows[rows.columns[::-1]].assign(new="x")
    np.testing.assert_array_equal(made.transform(turned), made.transform(rows))


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("number", [1, "2.5", None, True, "x", Decimal("3"), " 4 "], [1, 2.5, np.nan, 1, np.nan, 3, 4]),
        ("number", pd.array([1, None], dtype="Int64"), [1, np.nan]),
        ("number", pd.to_timedelta(["1min", None]), [60, np.nan]),
        ("number", pd.Series(["1", "7"], dtype="category"), [1, 7]),
        ("number", pd.date_range("2020", periods=2), [np.nan, np.nan]),
        ("boolean", [True, "false", 1, 0.0, None, "maybe", 7], [1, 0, 1, 0, np.nan, np.nan, np.nan]),
        ("string", ["a", 5, 5.0, 2.5, None, np.nan, pd.NA, True], ["a", "5", "5", "2.5", *[np.nan] * 3, "True"]),
        ("string", [datetime.date(2020, 1, 2), [1, 2]], ["2020-01-02", "[1, 2]"]),
    ],
)
def test_values_are_read_as_the_kind_of_the_training(kind, given, expected):
    out = Conform({"c": kind}).transform(pd.DataFrame({"c": given}))["c"].tolist()
    assert [None if value != value else value for value in out] == [None if e != e else e for e in expected]


@pytest.mark.parametrize(
    "given",
    ["2020-03-01 06:00:00", "2020-03-01T06:00:00Z", "2020-03-01T07:00:00+01:00", pd.Timestamp("2020-03-01 06:00"),
     pd.Timestamp("2020-03-01 07:00", tz="Europe/Berlin"), datetime.datetime(2020, 3, 1, 6)],  # noqa: DTZ001
)  # fmt: skip
def test_one_moment_is_one_moment_however_it_is_written(given):
    out = Conform({"c": "timestamp"}).transform(pd.DataFrame({"c": [given]}))
    assert out["c"].tolist() == [pd.Timestamp("2020-03-01 06:00")]
    assert out["c"].dtype == "datetime64[us]"


def test_a_format_is_fixed_by_the_training_and_not_guessed_from_a_row():
    conform = Conform({"c": "timestamp"}, {"c": "%d/%m/%Y"})
    out = conform.transform(pd.DataFrame({"c": ["2/1/2011", "2011-01-02", "31/31/2011"]}))["c"]
    assert out.tolist() == [pd.Timestamp("2011-01-02")] * 2 + [pd.NaT]


def test_no_rows_are_no_rows(rows, made):
    assert made.named_steps["conform"].transform(rows.head(0)).shape == (0, 8)


def test_anything_but_a_frame_is_refused():
    with pytest.raises(TypeError, match="DataFrame"):
        Conform({"c": "number"}).transform(np.ones((2, 1)))


def test_plain_numbers_are_cast_at_once_to_what_they_are_cast_to_one_by_one():
    plain = pd.DataFrame(
        {"a": [1, 2], "b": [True, False], "c": np.float32([0.5, np.nan]), "more": [0, 0]}, index=[5, 3]
    )
    conform = Conform(dict.fromkeys("cba", "number"))
    expected = conform.transform(plain.assign(b=plain["b"].astype(object)))
    pd.testing.assert_frame_equal(conform.transform(plain), expected)
    assert conform.transform(plain).dtypes.eq("float64").all()
