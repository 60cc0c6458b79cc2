"""What becomes of windows whose fits passed the gate, or did not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from everfit.ledger import Ledger
from everfit.registry import Loaded
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.advance import begin
from everfit.upkeep.proof import Proof
from everfit.upkeep.taken import done
from tasks.fitting import Fitting
from tasks.lineage import Lineage
from tasks.refit import _newest, _only_doubted, _verdict

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "y"}})
ROWS = pd.DataFrame({"x": np.random.default_rng(0).normal(0, 3, 600)}).assign(y=lambda rows: rows["x"] > 1)
ROWS.loc[300:, "y"] = False  # a rare event, of which the latest batches have none


@pytest.fixture
def fitting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fitting:
    """A champion that has learnt from none of these rows, which came in batches of fifty."""
    monkeypatch.chdir(tmp_path)
    Ledger.of(Settings()).swap_champion("m", expected=None, new=1, actor="ann")
    card = {"task": "binary", "metric": "log_loss", "split": {}, "schema": {"x": "number", "y": "bool"}}
    model = Pipeline([("reads", ColumnTransformer([("x", "passthrough", ["x"])])), ("model", LogisticRegression())])
    champion = Loaded("m", 1, Path(), model.fit(ROWS, ROWS["y"]), card, ROWS, np.array([], dtype="uint64"))
    return Fitting(SPEC, Lineage(SPEC, champion), 50)


def test_a_window_of_one_class_learns_nothing_and_keeps_no_other_from_it(fitting):
    assert fitting.fit("recent", ROWS) is None
    fresh = fitting.fit("all", ROWS)
    assert sorted(fresh.classes_) == [False, True]
    champion = fitting.lineage.champion
    newest, older = _newest(SPEC, champion, ROWS, {"all": champion.pipeline, "recent": None}, 50)
    assert (len(newest.rows), len(older), newest.fresh) == (50, 550, True)
    state = done(begin(SPEC.refit, "binary"), ("all",), SPEC.refit)
    made = fitting.join({"all": fresh}, state.served)
    proofs = {"all": Proof(True, "not worse"), "recent": Proof(False, "of one class")}
    verdict = _verdict(fitting.lineage, newest, made, proofs, "")
    assert verdict.promote
    assert verdict.reasons == (
        "refit of all rows (weights: all 100%)", "all: not worse", "recent keeps its model: of one class",
    )  # fmt: skip
    assert not _verdict(fitting.lineage, newest, made, {"recent": proofs["recent"]}, "").promote
    assert _verdict(fitting.lineage, newest, made, proofs, "worse").blockers == ("worse",)


def test_the_newest_rows_count_as_learnt_only_where_a_model_has_learnt_from_them():
    known = begin(SPEC.refit, "binary")
    doubt = {"gain": -0.1, "gains": 1.0, "z": -2.0, "squares": 1.0}
    state = replace(known, tracks=tuple(replace(t, **doubt) if t.window == "recent" else t for t in known.tracks))
    told = [_only_doubted(state, passed) for passed in ({"recent"}, {"recent", "all"}, {"all"}, ())]
    assert told == [True, False, False, False]
