"""How the model of a whole search answers: calibrated, by a threshold, and deaf to rows without weight."""

import json

import numpy as np
import pandas as pd
import pytest

from everfit import AutoML, evaluation
from everfit.errors import SpecError
from everfit.spec import Search

QUICK = {"trials": 1, "estimators": ("linear",)}


def rare(n=600, seed=0):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": chance.normal(size=n), "b": chance.normal(size=n), "t": range(n), "g": 0, "w": 1.0})
    return frame.assign(y=np.where(frame["a"] + chance.normal(size=n) > 1.8, "yes", "no"))


def test_labels_follow_a_threshold_for_the_metric_and_probabilities_do_not(run):
    found = run(rare(), task="binary", metric="balanced_accuracy", spec=Search(**QUICK))
    new = rare(3000, seed=1)
    proba, threshold = found.best.predict_proba(new)[:, 1], found.params["threshold"]
    assert threshold < 0.3
    assert proba.mean() == pytest.approx((new["y"] == "yes").mean(), abs=0.03)
    np.testing.assert_array_equal(found.best.predict(new) == "yes", proba > threshold)
    said = evaluation.predict(found.best, new, "binary")
    np.testing.assert_array_equal(said.values, found.best.predict(new))
    measure = evaluation.metric("balanced_accuracy")
    assert measure.score(new["y"].to_numpy(), said) == pytest.approx(found.score, abs=0.07)
    assert (
        measure.score(new["y"].to_numpy(), said)
        > 0.75
        > measure.score(
            new["y"].to_numpy(), evaluation.Predicted(np.where(proba > 0.5, "yes", "no"), said.proba, said.classes)
        )
    )
    best = next(row for row in found.leaderboard if row.family == found.family)
    assert best.params == found.params
    assert "threshold" not in json.loads(found.trials["params"][0])


def test_rows_that_weigh_nothing_are_as_good_as_not_there(run):
    good, spoilt = rare(), rare(seed=2).assign(y="yes")
    both = pd.concat([good, spoilt], ignore_index=True)
    alone = run(good, task="binary", spec=Search(**QUICK), weight=np.ones(len(good)))
    beside = run(both, task="binary", spec=Search(**QUICK), weight=np.repeat([1.0, 0.0], len(good)))
    np.testing.assert_allclose(beside.best.predict_proba(good), alone.best.predict_proba(good))
    assert beside.score == alone.score


def test_costs_move_labels_and_a_class_that_is_not_there_is_an_error():
    frame = rare()
    X, y, new = frame[["a", "b"]], frame["y"], rare(3000, seed=1)
    plain, careful = (
        AutoML(trials=1, estimators=["linear"], workers=1, costs=c).fit(X, y) for c in (None, {"yes": 20})
    )
    cost = [evaluation.cost(new["y"], evaluation.predict(each, new[["a", "b"]], "binary"), {"yes": 20.0})
            for each in (plain, careful)]  # fmt: skip
    assert cost[1] < 0.6 * cost[0]
    np.testing.assert_allclose(careful.predict_proba(X), plain.predict_proba(X))
    with pytest.raises(SpecError, match="costs names the class 'yess', which the target never is"):
        AutoML(trials=1, costs={"yess": 20}).fit(X, y)
    with pytest.raises(SpecError, match="would have others"):
        AutoML(trials=1, costs={"yes": 20}, metric="accuracy").fit(X, y)
