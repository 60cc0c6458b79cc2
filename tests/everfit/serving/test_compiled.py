"""A row alone, compiled, says what the pipeline says of it."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeRegressor

from everfit import features
from everfit.models.blend import Blend
from everfit.models.portfolio import Portfolio
from everfit.registry import Loaded
from everfit.registry.files import card_of
from everfit.serving import served
from everfit.serving.compiled import Compiled, compile_pipeline
from everfit.serving.contract import Contract, Field, rows_of
from everfit.serving.served import Served, make_ready, trials
from everfit.spec import Data
from tests.everfit.registry.conftest import candidate_of
from tests.everfit.serving.conftest import spec_of

STYLES = ("tree", "linear", "native", "network")


def rows(count=400):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({
        "size": random.normal(size=count) * 10,
        "price": random.lognormal(size=count),
        "gaps": np.where(random.random(count) < 0.2, np.nan, random.normal(size=count)),
        "colour": random.choice(["red", "green", "blue", None], count),
        "shop": random.integers(0, 120, count).astype(str),
        "open": random.random(count) > 0.5,
        "day": [f"{at % 12 + 1:02d}/{at % 28 + 1:02d}/2025" for at in random.integers(0, 336, count)],
        "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 90_000, count), "min"),
        "words": random.choice(["a large old house", "small flat, new", "house by the sea", None], count),
    })  # fmt: skip
    frame["cost"] = frame["size"] + (frame["colour"] == "red") * 5 + random.normal(size=count)
    frame["kind"] = np.where(frame["cost"] > 5, "dear", np.where(frame["cost"] < -5, "cheap", "fair"))
    return frame


def pipeline_of(frame, target, style, model):
    task = "regression" if target == "cost" else "multiclass"
    drop = ("kind",) if target == "cost" else ("cost",)
    plan = features.plan(frame, Data(source="x", target=target, time="when", drop=drop))
    encoders = {"all": features.encoder(plan, style, task)}
    classes = None if target == "cost" else np.unique(frame[target])
    blend = Blend(encoders, [(["all"], model, 1.0)], classes)
    return Pipeline([("conform", features.conformer(plan)), ("model", blend)]).fit(frame, frame[target])


def both_ways(pipeline, frame):
    """Return what a pipeline says of rows, and what its compiled form says of each of them alone."""
    compiled = compile_pipeline(pipeline)
    conform = pipeline[0] if isinstance(pipeline, Pipeline) else pipeline.members[0][1][0]
    reads = {
        name: Field(name, kind, (conform.formats or {}).get(name, "")).read for name, kind in conform.kinds.items()
    }
    columns = {name: [None if pd.isna(v) else v for v in frame[name].astype(object)] for name in reads}
    alone = np.concatenate([compiled.said(row) for row in rows_of(columns, reads)])
    whole = pipeline.predict(frame) if alone.ndim == 1 else pipeline.predict_proba(frame)
    return alone, whole, compiled.slowly


def strange(frame):
    """Return rows with gaps everywhere, levels that nobody has seen, and numbers beyond all bounds."""
    odd = frame.head(12).astype(object)
    for at, name in enumerate(odd.columns[:9]):
        odd.loc[at, name] = None
    odd.loc[9, ["colour", "shop", "words"]] = "never seen"
    odd.loc[10, "size"], odd.loc[11, "price"] = float("inf"), 1e300
    odd.loc[10, "when"], odd.loc[11, "day"] = "2024-02-29 23:59:59.5", "no date"
    return odd


@pytest.mark.parametrize("style", STYLES)
def test_a_compiled_row_says_what_the_pipeline_says(style):
    frame = rows()
    model = LGBMRegressor(n_estimators=20, verbosity=-1, n_jobs=1)
    pipeline = pipeline_of(frame, "cost", style, model)
    for part in (frame.tail(40), strange(frame)):
        alone, whole, slowly = both_ways(pipeline, part)
        np.testing.assert_allclose(alone, whole, rtol=1e-6, atol=1e-6)
    assert set(slowly) <= {"Text"}


@pytest.mark.parametrize("style", STYLES)
def test_so_do_the_probabilities_of_several_classes_and_of_a_portfolio(style):
    frame = rows()
    model = LGBMClassifier(n_estimators=10, verbosity=-1, n_jobs=1)
    whole = pipeline_of(frame, "kind", style, model)
    recent = pipeline_of(frame[frame["kind"] != "dear"], "kind", style, model)
    portfolio = Portfolio([("all", whole, 0.7, None), ("recent", recent, 0.3, 200)], classes=whole.classes_)
    alone, said, _ = both_ways(portfolio, frame.tail(30))
    np.testing.assert_allclose(alone, said, rtol=1e-6, atol=1e-6)


def test_an_offset_moves_the_compiled_answer_too():
    frame = rows()
    one = pipeline_of(frame, "cost", "tree", LGBMRegressor(n_estimators=5, verbosity=-1, n_jobs=1))
    alone, said, _ = both_ways(Portfolio([("all", one, 1.0, None)], offset=3.0, trust=0.5), frame.tail(5))
    np.testing.assert_allclose(alone, one.predict(frame.tail(5)) + 1.5)
    np.testing.assert_allclose(alone, said)


def test_each_answer_must_agree_also_beside_one_that_is_large(frame, monkeypatch):
    tailed = frame.assign(cost=frame["cost"].where(frame.index > 0, 1e9))
    made = candidate_of(tailed, estimator=DecisionTreeRegressor())
    loaded = Loaded(made.model, 1, None, made.pipeline, card_of(made), made.reference, made.train_rows)
    assert make_ready(spec_of(), loaded).compiled
    off = Compiled(lambda row: compile_pipeline(made.pipeline).said(row) + 1e-3, ())
    monkeypatch.setattr(served, "compile_pipeline", lambda _: off)
    ready = make_ready(spec_of(), loaded)
    assert (ready.compiled, ready.notes) == (None, ("the compiled way is off by 0.001, and the ordinary one serves",))


def test_many_rows_are_answered_in_parts_as_they_are_at_once(frame):
    late = frame.assign(late=np.where(frame["count"] % 3 == 0, "yes", "no")).drop(columns="cost")
    for made in (candidate_of(frame), candidate_of(late, "late", LogisticRegression(), "binary", positive="yes")):
        ready = Served(Loaded(made.model, 1, None, made.pipeline, card_of(made), made.reference, made.train_rows),
                       Contract(()), None, ())  # fmt: skip
        many = pd.concat([frame] * (2 * served.PART // len(frame) + 2), ignore_index=True)
        said, whole = ready.predict_frame(many), ready._said(many)
        if made.task == "regression":
            np.testing.assert_allclose(said.values, whole.values, rtol=1e-5)  # the order of sums is another one
        else:
            assert (said.values == whole.values).all()
            np.testing.assert_allclose(said.proba, whole.proba, rtol=1e-5)


def test_both_ways_are_tried_on_rows_of_all_times():
    tried = trials(pd.DataFrame({"size": np.arange(1_000.0)}), Contract((Field("size", "number", ""),)))
    assert (tried["size"].min(), tried["size"].max()) == (0, 999)
    assert tried["size"].isna().any()
