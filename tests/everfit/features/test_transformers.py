"""What every transformer must do, and what each one promises."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from everfit import features
from everfit.features.arithmetic import Arithmetic
from everfit.features.assemble import Assemble
from everfit.features.averages import Averages
from everfit.features.calendar import Calendar
from everfit.features.conform import Conform
from everfit.features.crosses import Crosses
from everfit.features.levels import Levels, OneHot
from everfit.features.numbers import Numbers
from everfit.features.squash import Squash
from everfit.features.text import Text
from everfit.spec import Data

OURS = [
    (Numbers(), ["number", "whole"]),
    (Squash(), ["number", "whole"]),
    (Levels(), ["colour", "town"]),
    (OneHot(), ["colour", "town"]),
    (Averages("regression"), ["town", "colour"]),
    (Calendar(), ["day"]),
    (Calendar(cyclic=True, trend=False), ["day"]),
    (Text(parts=4), ["title"]),
    (Arithmetic([("ratio", 0, 1), ("product", 1, 0), ("difference", 0, 1)]), ["number", "whole"]),
    (Arithmetic([("difference", 1, 0)]), ["day", "dawn"]),
    (Pipeline([("cross", Crosses([(0, 1)])), ("levels", Levels())]), ["colour", "town"]),
    (Assemble([("codes", Levels(), ["colour"]), ("numbers", Numbers(), ["number"])]), ["colour", "number"]),
    (Conform({"colour": "string", "number": "number"}), ["colour", "number"]),
]


@pytest.fixture(params=OURS, ids=lambda pair: type(pair[0]).__name__)
def case(request, rows):
    made, names = request.param
    return clone(made), rows.assign(dawn=rows["day"].dt.normalize())[names], rows["y"]


class TestEveryTransformer:
    def test_names_as_many_columns_as_it_makes(self, case):
        made, X, y = case
        out = made.fit(X, y).transform(X)
        names = made.get_feature_names_out()
        assert len(names) == out.shape[1] == len(set(names))

    def test_copes_with_values_that_it_never_saw(self, case, rows):
        made, X, y = case
        made.fit(X.head(150), y.head(150))
        odd = X.iloc[[0, 0]].copy()
        for name in odd:
            odd[name] = {"n": [1e300, -np.inf], "w": [np.nan, 1e9], "c": ["plum", None], "t": ["nowhere", None],
                         "d": [pd.Timestamp("1900-01-01"), pd.NaT]}[name[0]]  # fmt: skip
        assert made.transform(odd).shape[0] == 2

    def test_changes_nothing_that_it_was_given(self, case):
        made, X, y = case
        before = X.copy(deep=True)
        made.fit(X, y).transform(X)
        pd.testing.assert_frame_equal(X, before)

    def test_gives_the_same_for_the_same(self, case):
        made, X, y = case
        one, two = clone(made).fit(X, y).transform(X), clone(made).fit(X, y).transform(X)
        pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(two))

    def test_is_saved_and_loaded_by_skops(self, case, tmp_path):
        made, X, y = case
        made.fit(X, y)
        skops.io.dump(made, tmp_path / "made.skops")
        types = skops.io.get_untrusted_types(file=tmp_path / "made.skops")
        assert [t for t in types if "everfit" not in t] == []
        loaded = skops.io.load(tmp_path / "made.skops", trusted=types)
        pd.testing.assert_frame_equal(pd.DataFrame(loaded.transform(X)), pd.DataFrame(made.transform(X)))

    def test_reads_rows_in_which_nothing_is_known(self, case):
        made, X, y = case
        empty = X.iloc[:5].copy()
        for name in empty:
            empty[name] = pd.Series([None] * 5, index=empty.index).astype(X[name].dtype)
        made.fit(empty, y.iloc[:5])
        assert made.transform(X).shape[0] == len(X)

    def test_refuses_another_number_of_columns(self, case):
        made, X, y = case
        made.fit(X, y)
        check_is_fitted(made)
        with pytest.raises((ValueError, TypeError), match=r"features|DataFrame"):
            made.transform(np.hstack([X, X]))


def column(*values):
    return pd.DataFrame({"c": pd.Series(values, dtype=object)})


def test_infinities_are_missing_for_trees():
    out = Numbers().fit(np.ones((2, 1))).transform(np.array([[np.inf], [-np.inf], [1e39], [2.0]]))
    np.testing.assert_array_equal(out, [[np.nan], [np.nan], [np.nan], [2.0]])


def test_one_absurd_value_does_not_move_the_scale():
    values = np.arange(100.0)
    calm, wild = (np.append(values, extra).reshape(-1, 1) for extra in (99.0, 1e12))
    one, two = Squash().fit(calm).transform(calm[:100]), Squash().fit(wild).transform(calm[:100])
    np.testing.assert_allclose(one, two, atol=0.05)


def test_rare_and_new_levels_share_a_code_and_a_missing_one_does_not():
    made = Levels(min_count=5).fit(column(*["a"] * 60, *["b"] * 40, "rare"))
    np.testing.assert_array_equal(made.transform(column("a", "b", "rare", "new", None)).ravel(), [0, 1, 2, 2, np.nan])


def test_one_hot_says_nothing_about_a_missing_value():
    made = OneHot().fit(column(*["a"] * 60, *["b"] * 40))
    np.testing.assert_array_equal(made.transform(column("b", "new", None)), [[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert list(made.get_feature_names_out()) == ["c=a", "c=b", "c=[other]"]


def test_a_level_that_occurs_once_does_not_give_its_answer_away():
    chance = np.random.default_rng(0)
    levels, noise = column(*[f"only {i}" for i in range(400)]), chance.normal(size=400)
    learnt = Averages("regression").fit_transform(levels, noise)[:, 0]
    assert abs(np.corrcoef(learnt, noise)[0, 1]) < 0.3


def test_levels_are_averaged_once_for_each_class():
    y = np.array(["a", "b", "c"] * 40)
    made = Averages("multiclass").fit(column(*(["u", "v"] * 60)), y)
    assert list(made.get_feature_names_out()) == ["c[mean a]", "c[mean b]", "c[mean c]", "c[count]"]


def test_the_day_of_the_year_needs_more_than_a_year_to_be_a_season():
    days = pd.DataFrame({"t": pd.date_range("2020", periods=300, freq="D")})
    assert "t[year_day]" not in Calendar(trend=False).fit(days).get_feature_names_out()
    years = pd.DataFrame({"t": pd.date_range("2020", periods=800, freq="D")})
    assert "t[year_day]" in Calendar(trend=False).fit(years).get_feature_names_out()


def test_midnight_is_near_to_the_hour_before_it():
    made = Calendar(cyclic=True, trend=False).fit(pd.DataFrame({"t": pd.date_range("2020", periods=99, freq="h")}))
    late, midnight, noon = made.transform(
        pd.DataFrame({"t": pd.to_datetime(["2020-02-03 23:00", "2020-02-04 00:00", "2020-02-04 12:00"])})
    )[:, :2]
    assert np.linalg.norm(late - midnight) < 0.3 < np.linalg.norm(noon - midnight)


def test_the_whole_transformer_is_saved_and_loaded_by_skops(rows, tmp_path):
    plan = features.plan(rows, Data(source="x", target="y"))
    for style in ("tree", "linear", "network"):
        made = features.build(plan, style, "regression").fit(rows, rows["y"])
        skops.io.dump(made, tmp_path / style)
        types = skops.io.get_untrusted_types(file=tmp_path / style)
        loaded = skops.io.load(tmp_path / style, trusted=types)
        np.testing.assert_array_equal(loaded.transform(rows), made.transform(rows))
        assert all(name.startswith(("everfit.features.", "sklearn.", "numpy.")) for name in types), types


def test_features_travel_without_the_rest_of_everfit():
    code = (
        "import sys\n"
        "import everfit.features.blocks, everfit.features.conform\n"
        "ours = {m for m in sys.modules if m.startswith('everfit.')}\n"
        "print(sorted(m for m in ours if not m.startswith('everfit.features')))\n"
        "print(sorted({'pydantic', 'lightgbm', 'optuna', 'mlflow'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == ["[]", "[]"]
