"""Contributions are Shapley values of raw fields, of any model that everfit serves; rules say nearly the same."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor

from everfit import features
from everfit.explanation import Explainer, importances, overview, shapley, surrogate
from everfit.models.portfolio import Portfolio
from everfit.spec import Data
from tests.everfit.serving.test_compiled import pipeline_of, rows

NUMBERS = pd.DataFrame(np.random.default_rng(0).normal(size=(64, 4)), columns=list("abcd"))


def explainer_of(frame, target, pipeline, task, positive=None):
    drop = ("kind",) if target == "cost" else ("cost",)
    plan = features.plan(frame, Data(source="x", target=target, time="when", drop=drop))
    facts = {"task": task, "target": target, "positive": positive, "inputs": plan.inputs, "plan": plan.to_dict()}
    return Explainer.of(pipeline, facts, frame)


@pytest.fixture(scope="module")
def frame():
    return rows()


@pytest.fixture(scope="module")
def number(frame):
    """A portfolio of two blends, with an offset."""
    blends = [
        pipeline_of(frame, "cost", style, LGBMRegressor(n_estimators=15, verbosity=-1, n_jobs=1))
        for style in ("tree", "linear")
    ]
    portfolio = Portfolio([("all", blends[0], 0.6, None), ("recent", blends[1], 0.4, None)], offset=2.0)
    return explainer_of(frame, "cost", portfolio, "regression")


@pytest.fixture(scope="module")
def classes(frame):
    pipeline = pipeline_of(frame, "kind", "tree", LGBMClassifier(n_estimators=5, verbosity=-1, n_jobs=1))
    return explainer_of(frame, "kind", pipeline, "multiclass")


def test_a_linear_model_is_explained_exactly():
    weights = np.array([3.0, -2.0, 0.5, 0.0])
    found = shapley(lambda rows: rows.to_numpy() @ weights[:, None], NUMBERS.head(5), NUMBERS, pairs=64)
    exact = weights * (NUMBERS.head(5) - NUMBERS.mean()).to_numpy()
    np.testing.assert_allclose(found.values[..., 0], exact, atol=1e-12)
    np.testing.assert_allclose(found.base, NUMBERS.to_numpy().mean(axis=0) @ weights)


def test_a_model_that_is_not_is_explained_within_its_stated_error():
    def ask(rows):
        a, b, c, d = rows.to_numpy().T
        return np.column_stack([np.sin(a) * b + np.maximum(c, b) * d, a])

    row, background = NUMBERS.iloc[[7]], NUMBERS.head(16)
    found = shapley(ask, row, background, pairs=256)
    exact = _by_all_coalitions(lambda rows: ask(rows)[:, 0], row, background)
    off = np.abs(found.values[0, :, 0] - exact)
    assert (off <= 4 * found.errors[0, :, 0]).all(), (off, found.errors)
    assert found.errors[0, :, 0].max() < 0.2
    np.testing.assert_allclose(found.values[0, 1:, 1], 0.0, atol=1e-12)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.said)


def _by_all_coalitions(ask, row, background):
    """Return Shapley values by their definition."""
    names = list(row.columns)

    def worth(told):
        return ask(background.assign(**{name: row[name].iloc[0] for name in told})).mean()

    return [
        sum(
            math.factorial(size) * math.factorial(len(names) - 1 - size) / math.factorial(len(names))
            * (worth((*told, name)) - worth(told))
            for size in range(len(names))
            for told in itertools.combinations([other for other in names if other != name], size)
        )
        for name in names
    ]  # fmt: skip


def test_contributions_of_raw_fields_sum_to_what_a_portfolio_says(number, frame):
    strange = frame.head(3).astype(object)
    strange.loc[1, ["colour", "size"]] = None
    strange.loc[2, ["colour", "when"]] = ["never seen", "2024-01-05T07:00"]
    told = number.explain(strange, pairs=8)
    np.testing.assert_allclose([each.value for each in told], number.pipeline.predict(strange))
    for each in told:
        assert {field for field, _, _ in each.contributions} == set(number.kinds)
        assert each.base + sum(added for _, added, _ in each.contributions) == pytest.approx(each.value, rel=1e-9)
    shown = told[0].to_dict(top=2)
    assert shown["scale"] == "cost"
    assert abs(shown["contributions"][0]["contribution"]) >= abs(shown["contributions"][1]["contribution"])
    parts = sum(each["contribution"] for each in shown["contributions"])
    assert shown["base"] + parts + shown["others"] == pytest.approx(shown["value"], rel=1e-9)


def test_of_several_classes_the_one_that_is_said_is_explained_and_a_row_alone_as_in_a_batch(classes, frame):
    told = classes.explain(frame.head(4), pairs=4)
    proba = classes.pipeline.predict_proba(frame.head(4))
    for at, each in enumerate(told):
        assert each.scale == f"probability of {each.prediction}"
        assert each.value == pytest.approx(proba[at].max())
    (alone,) = classes.explain(frame.iloc[[2]], pairs=4)
    assert [added for _, added, _ in alone.contributions] == pytest.approx(
        [added for _, added, _ in told[2].contributions]
    )


def test_what_decides_comes_first_and_what_is_not_used_matters_not_at_all(number):
    one = SimpleNamespace(predict=lambda rows: rows["size"].to_numpy() * 2)
    first, *others = importances(Explainer(**{**number.__dict__, "pipeline": one}))
    assert first.field == "size"
    assert 0 < first.low < first.mean < first.high
    assert {each.mean for each in others} == {0.0}
    assert importances(number)[0].field == "size"


def test_rules_say_nearly_what_the_model_says(number, classes, tmp_path):
    rules = surrogate(number)
    assert rules.measure == "R2"
    assert rules.fidelity > 0.7
    assert any("size" in rule for rule in rules.rules)
    assert not any("size" in rule for rule in surrogate(number, hidden={"size"}).rules)
    seen = overview(classes)
    assert (seen.scale, seen.surrogate.measure) == ("probability of the class that is said", "agreement")
    assert seen.surrogate.baseline < seen.surrogate.fidelity <= 1
    seen.save(tmp_path)
    assert "size" in (tmp_path / "explanation.md").read_text()
    assert surrogate(number, number.reference.head(3)) is None


def test_rules_show_names_and_levels_with_braces_as_they_are():
    reference = pd.DataFrame({"temp {C}": np.arange(60.0), "kind {}": np.where(np.arange(60) % 2, "{a}", "{b}")})
    kinds = {"temp {C}": "number", "kind {}": "string"}
    said = SimpleNamespace(predict=lambda rows: rows["temp {C}"] + 50 * (rows["kind {}"] == "{a}"))
    rules = surrogate(Explainer(said, "regression", "y", None, kinds, {}, reference)).rules
    assert any("temp {C} <= " in rule and "kind {} is not {b}" in rule for rule in rules), rules
