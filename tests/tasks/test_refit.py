"""The gate of a refit: each window's fresh model in its place, beside what the champion says of the newest rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from everfit.ledger import Ledger
from everfit.registry import Loaded
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.advance import begin
from everfit.upkeep.proof import Proof
from tasks.fitting import Fitting
from tasks.lineage import Lineage
from tasks.refit import _Case

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "y"}})
DICE = np.random.default_rng(0)
ROWS = pd.DataFrame({"x": DICE.normal(0, 3, 300)}).assign(y=lambda rows: 3 * rows["x"] + DICE.normal(0, 1, 300))


def fitted(model, rows: pd.DataFrame = ROWS) -> Pipeline:
    return Pipeline([("reads", ColumnTransformer([("x", "passthrough", ["x"])])), ("model", model)]).fit(
        rows, rows["y"]
    )


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Case:
    """A champion that has learnt from none of these rows, of which the newest fifty judge."""
    monkeypatch.chdir(tmp_path)
    Ledger.of(Settings()).swap_champion("m", expected=None, new=1, actor="ann")
    card = {"task": "regression", "metric": "mae", "split": {}, "schema": {"x": "number", "y": "number"}}
    champion = Loaded("m", 1, Path(), fitted(LinearRegression()), card, ROWS, np.array([], dtype="uint64"))
    lineage = Lineage(SPEC, champion)
    return _Case(Fitting(SPEC, lineage, 50), ROWS, begin(SPEC.refit, "regression"), {"all": champion.pipeline})


def test_the_same_on_newer_rows_is_proven_by_a_twin_and_what_has_no_weight_by_labels_to_come(case):
    assert (len(case.newest), len(case.older), case.fresh) == (50, 250, True)
    proof = case.prove("all", fitted(LinearRegression()))
    assert proof.ok
    assert proof.reason.startswith("not worse: without the newest batch it has ")
    assert case.prove("recent", fitted(DummyRegressor())).reason == "it has no weight until labels have judged it"


def test_what_is_worse_even_on_the_rows_that_it_learnt_from_is_refused(case):
    made = fitted(DummyRegressor())
    proof = case.prove("all", made)
    assert not proof.ok
    assert "worse on rows that it learnt from" in proof.reason
    verdict = case.judge(case.fitting.join({"all": made}, case.state.served), {"all": proof})
    assert not verdict.promote
    assert verdict.blockers[0] == f"all keeps its model: {proof.reason}"


def test_one_window_that_is_refused_does_not_keep_another_from_taking_over(case):
    made = case.fitting.join(case.models | {"recent": fitted(LinearRegression())}, case.state.served)
    verdict = case.judge(made, {"all": Proof(False, "worse"), "recent": Proof(True, "not worse")})
    assert verdict.promote
    assert verdict.reasons == (
        "refit of recent rows (weights: all 100%, recent 0%)", "recent: not worse", "all keeps its model: worse",
    )  # fmt: skip
