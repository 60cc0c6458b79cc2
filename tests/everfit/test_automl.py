import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from everfit import AutoML
from everfit.automl.interrupt import interruptible
from everfit.errors import DataError, SpecError
from everfit.search import pool

N = 120
AT_RANDOM = "rows fall into folds at random, so that a row of weight two is not the same as two rows"


def automl(**said):
    """A search that is over at once."""
    return AutoML(**{"trials": 1, "estimators": ["linear"], "workers": 1} | said)


def table(n=N, seed=0):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": chance.normal(size=n),
            "colour": pd.Categorical(chance.choice(["red", "green", "blue"], n)),
            "note": chance.choice(["it works very well", "it broke on the first day", "not seen yet"], n),
            "day": pd.date_range("2024", periods=n, freq="D"),
            "gaps": np.where(chance.random(n) < 0.3, np.nan, chance.normal(size=n)),
        }
    )
    return frame, (2 * frame["size"] + (frame["colour"] == "red")).rename("worth")


def failing(estimator):
    return {"check_sample_weight_equivalence_on_dense_data": AT_RANDOM}


@parametrize_with_checks(
    [automl(task="classification"), automl(task="regression", metric="r2")], expected_failed_checks=failing
)
@pytest.mark.filterwarnings("default")  # the checks' own
def test_it_is_what_scikit_learn_expects(estimator, check):
    check(estimator)


def test_the_library_is_light_and_the_estimator_needs_no_server():
    script = (
        "import sys, everfit; print(sorted({'numpy', 'pandas', 'sklearn', 'pydantic'} & set(sys.modules)));"
        "everfit.AutoML; print(sorted({'prefect', 'mlflow', 'great_expectations', 'evidently'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["[]", "[]"]


@pytest.fixture(scope="module")
def regressor():
    return automl().fit(*table())


def test_a_frame_of_every_type_is_learnt_from(regressor, tmp_path):
    new, worth = table(seed=1)
    assert regressor.task_ == "regression"
    assert regressor.metric_ == "mae"
    assert np.abs(regressor.predict(new) - worth).mean() < 0.3
    assert regressor.score(new, worth) == pytest.approx(-np.abs(regressor.predict(new) - worth).mean())
    assert {"dummy", "linear"} <= set(regressor.leaderboard_["family"])
    assert "Linear model won" in regressor.report(tmp_path / "search.html").read_text()
    assert "fold(s)" in regressor.how_


def test_a_row_of_gaps_and_of_what_was_never_seen_is_answered(regressor):
    row = pd.DataFrame([{"size": None, "colour": "violet", "note": None, "day": None, "gaps": "?"}])
    assert np.isfinite(regressor.predict(row)).all()


def test_only_a_classifier_has_probabilities(regressor):
    assert not hasattr(regressor, "predict_proba")
    assert not hasattr(automl(task="regression"), "predict_proba")
    assert hasattr(automl(), "predict_proba")
    assert is_regressor(regressor)
    assert is_classifier(automl(task="classification"))


def test_it_survives_pickling_and_a_clone_is_not_fitted(regressor):
    frame, _ = table()
    again = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(again.predict(frame), regressor.predict(frame))
    fresh = clone(regressor)
    assert fresh.get_params() == regressor.get_params()
    assert not hasattr(fresh, "best_")


def test_an_array_is_read_by_position_whatever_it_was_fitted_on():
    X = np.random.default_rng(0).normal(size=(N, 3))
    model = automl().fit(X, X[:, 0] + X[:, 1])
    with pytest.warns(UserWarning, match="fitted without feature names"):
        said = model.predict(pd.DataFrame(X, columns=list("abc")))
    np.testing.assert_array_equal(said, model.predict(X))
    assert model.names_ == ["x0", "x1", "x2"]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]), np.array([0, 1]), np.array([False, True]), np.array([1.0, 2.0]),
        np.array([pd.Timestamp("2024"), pd.Timestamp("2025")], dtype=object).astype("datetime64[D]").astype(object),
        np.array([b"no", b"yes"], dtype=object),
    ],
    ids=["text", "numbers", "truth", "floats", "dates", "bytes"],
)  # fmt: skip
def test_labels_come_back_as_they_were_given(labels):
    frame, worth = table()
    y = labels[(worth > 0.5).astype(int)]
    model = automl().fit(frame, y)
    said = model.predict(frame)
    assert set(said.tolist()) == set(labels.tolist()) == set(model.classes_.tolist())
    assert np.mean(said == y) > 0.8
    assert model.predict_proba(frame).shape == (N, 2)
    assert model.score(frame, y) > 0.8


def test_ctrl_c_ends_the_search_with_the_best_so_far_and_pressed_again_without(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def press():
        while not list(tmp_path.glob("*/said-1-*.npy")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    model = AutoML(budget=600, estimators=["linear"], workers=1).fit(*table())
    assert np.isfinite(model.predict(table()[0])).all()
    assert "the best so far" in caplog.text
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with interruptible() as pressed:
        signal.raise_signal(signal.SIGINT)
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_grid_can_be_asked_for_and_its_mistakes_speak_of_parameters():
    model = automl(method="grid", trials=None, space={"linear": {"penalty": [0.1, 1.0]}}).fit(*table())
    assert len(model.trials_) == 2
    with pytest.raises(SpecError, match=r"space.linear.penalty=1: it must be a list"):
        automl(space={"linear": {"penalty": 1}}).fit(*table())
    with pytest.raises(SpecError, match="method: 'gird' is unknown"):
        automl(method="gird").fit(*table())
    with pytest.raises(SpecError) as raised:
        automl(space={"linear": {"penalties": [1]}}).fit(*table())
    assert raised.value.details == ("space.linear.penalties: there is no such parameter. Did you mean 'penalty'?",)


def test_categories_and_gaps_in_the_answers():
    frame, worth = table()
    y = pd.Series(pd.cut(worth, [-9, 0, 1, 9], labels=["low", "middle", "high"]))
    y[::10] = None
    model = automl().fit(frame, y)
    assert model.task_ == "multiclass"
    assert sorted(model.classes_) == ["high", "low", "middle"]


def test_time_groups_and_weights_reach_the_search():
    frame, worth = table()
    by_time = automl().fit(frame, worth, time=frame["day"].astype(str))
    assert "later rows judge earlier ones" in by_time.how_
    assert "groups stay whole" in automl().fit(frame, worth, groups=np.arange(N) % 10).how_
    plain = automl().fit(frame, worth)
    heavy = automl().fit(frame, worth, sample_weight=np.where(frame["size"] > 0, 1.0, 0.01))
    assert not np.allclose(plain.predict(frame), heavy.predict(frame))


def test_trials_and_seed_repeat_a_search():
    frame, worth = table()
    one, two, other = (automl(trials=3, seed=seed).fit(frame, worth) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.predict(frame), two.predict(frame))
    assert one.trials_["params"].tolist() == two.trials_["params"].tolist() != other.trials_["params"].tolist()


@pytest.mark.filterwarnings("ignore:AutoML. a quick fit")  # on a busy machine
def test_the_budget_is_kept():
    assert pool.ready(240)  # the imports of a busy machine may take longer than this budget
    began = time.monotonic()
    AutoML(budget=4, workers=1).fit(*table())
    assert time.monotonic() - began < 4 + 3


def test_cross_validation_and_a_grid_and_a_pipeline_take_it():
    frame, worth = table()
    X = frame[["size", "gaps"]]
    assert cross_val_score(automl(metric="r2"), X, worth, cv=2).min() > 0.5
    grid = GridSearchCV(automl(), {"estimators": [["linear"], ["extra_trees"]]}, cv=2).fit(X, worth)
    assert grid.best_params_ == {"estimators": ["linear"]}
    line = Pipeline([("scale", StandardScaler()), ("model", automl(metric="r2"))]).fit(X, worth)
    assert line.score(X, worth) > 0.5
    assert line.set_params(model__seed=5)["model"].seed == 5


def test_groups_of_a_cross_validation_are_its_own():
    frame, worth = table()
    groups = np.arange(N) % 6
    assert len(cross_val_score(automl(), frame, worth, groups=groups, cv=GroupKFold(2))) == 2


def refuses(kind, match, X, y, **more):
    beside = {name: more.pop(name) for name in ("time", "groups", "sample_weight") if name in more}
    with pytest.raises(kind, match=match) as caught:
        automl(**more).fit(X, y, **beside)
    assert "data." not in str(caught.value)
    assert "search." not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"task": "regresion"}, "'regresion' is unknown. Did you mean 'regression'"),
        ({"metric": "roc"}, "no metric 'roc'. Did you mean 'roc_auc'"),
        ({"metric": "rmse"}, "'rmse' does not fit a binary task"),
        ({"estimators": ["lightgmb"]}, "'lightgmb' is unknown. Did you mean 'lightgbm'"),
        ({"estimators": []}, "estimators="),
        ({"budget": 0}, "budget=0.0: a duration must be one second at least"),
        ({"budget": -5}, "budget=-5.0: a duration"),
        ({"budget": float("inf")}, "budget=inf"),
        ({"budget": "soon"}, "budget='soon': .*write 90s, 10m"),
        ({"trials": 0}, "trials=0"),
        ({"seed": -1}, "seed=-1"),
        ({"workers": -1}, "workers=-1"),
        ({"roles": {"sise": "text"}}, "no column is called 'sise'. Did you mean 'size'"),
        ({"roles": {"size": "txt"}}, "'txt' is unknown. Did you mean 'text'"),
        ({"roles": ["size"]}, "roles="),
    ],
)
def test_a_parameter_that_cannot_be_is_named_with_what_could(said, match):
    frame, worth = table()
    refuses(SpecError, match, frame, worth > 0, **said)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (["a"] * N, "only one class, 'a'"),
        ([None] * N, "is empty in all 120 rows"),
        (["a"] * (N - 1), "X has 120 row.s. and y has 119"),
        ([f"k{at}" for at in range(N)], "120 different values .* too many for classes"),
        (np.array([1, "a"] * (N // 2), dtype=object), "mixes types: number, str"),
        (np.where(np.arange(N) == 3, np.inf, np.arange(N) / 7), "infinite in 1 row"),
        (pd.date_range("2024", periods=N), "holds timestamps"),
        (np.ones((N, 2)), "y should be a 1d array"),
        (None, "requires y"),
    ],
    ids=["one class", "all missing", "short", "names", "mixed", "infinite", "dates", "two columns", "none"],
)
def test_answers_that_nothing_can_be_learnt_from_are_refused(y, match):
    refuses(DataError, match, table()[0], y)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (table()[0][:2], "known in 2 row"),
        (table()[0][:0], "X has no rows"),
        (np.empty((0, 3)), "0 sample"),
        (table()[0][[]], "No column is left"),
        (pd.DataFrame({"empty": [None] * N, "same": 1}), "No column is left"),
        (pd.concat([table()[0]] * 2, axis=1), "unique column names"),
        (table()[0].rename(columns={"size": 1}), "string names"),
        (table()[0]["size"], "2-dimensional"),
    ],
    ids=["two rows", "no rows", "empty array", "no columns", "constants", "twice", "names of two types", "a series"],
)
def test_rows_that_nothing_can_be_learnt_from_are_refused(X, match):
    refuses(DataError, match, X, (["no", "yes"] * N)[: len(X)])


@pytest.mark.parametrize(
    ("beside", "match"),
    [
        ({"sample_weight": -np.ones(N)}, "sample_weight is missing, infinite or negative in 120"),
        ({"sample_weight": np.ones(3)}, "sample_weight has 3"),
        ({"sample_weight": 1.0}, "sample_weight is 1.0, and X has 120"),
        ({"time": ["monday"] * N}, "cannot be read as dates"),
        ({"time": [None] * N}, "No part of the rows"),
        ({"groups": ["no", "yes"] * (N // 2)}, "No part of the rows"),
    ],
)
def test_what_lies_beside_the_rows_is_checked(beside, match):
    refuses(DataError, match, table()[0], ["no", "yes"] * (N // 2), **beside)


def troubled(kind):
    frame, worth = table()
    if kind == "infinite values":
        return frame.assign(gaps=np.where(np.arange(N) % 3, frame["gaps"], np.inf), less=-np.inf), worth
    if kind == "empty and constant columns":
        return frame.assign(empty=None, nan=np.nan, same=1, word="same"), worth
    if kind == "mixed types":
        return frame.assign(
            mixed=[1, "two", None, 3.5, True, pd.Timestamp("2024")] * (N // 6), lists=[[1], {}] * 60
        ), worth
    if kind == "more columns than rows":
        wide = np.random.default_rng(0).normal(size=(30, 100))
        return wide, wide[:, 0]
    if kind == "names that are taken":
        return frame.rename(columns={"size": "y", "gaps": "prediction", "note": "time"}), worth
    if kind == "gaps in the answers":
        return frame, worth.where(np.arange(N) % 2 == 0)
    return frame, np.where(np.arange(N) == 5, "rare", np.where(worth > 0.5, "yes", "no"))


@pytest.mark.parametrize(
    "kind",
    [
        "infinite values", "empty and constant columns", "mixed types", "more columns than rows",
        "names that are taken", "gaps in the answers", "a class with one member",
    ],
)  # fmt: skip
def test_odd_data_make_a_model_in_which_no_trial_failed(kind):
    X, y = troubled(kind)
    model = automl(estimators=["linear", "hist_boosting"], trials=2).fit(X, y)
    said = model.predict(X) if model.task_ == "regression" else model.predict_proba(X)
    assert np.isfinite(said).all()
    assert "failed" not in set(model.leaderboard_["status"])


def test_ten_thousand_levels_within_a_budget_of_a_second():
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"size": chance.normal(size=20_000), "key": [f"k{at % 10_000}" for at in range(20_000)]})
    assert pool.ready(240)
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "AutoML: .*for lack of time|AutoML: a quick fit")  # on a busy machine
        model = AutoML(budget=1, workers=1).fit(frame, 2 * frame["size"] + 0.3 * chance.normal(size=20_000))
    assert time.monotonic() - began < 10
    assert np.abs(model.predict(frame) - 2 * frame["size"]).mean() < 0.5


def test_a_prediction_needs_the_columns_of_the_fit_and_a_row(regressor):
    frame, _ = table()
    with pytest.raises(DataError, match="now missing"):
        regressor.predict(frame.drop(columns="size"))
    with pytest.raises(DataError, match="X has no rows"):
        regressor.predict(frame[:0])
