"""What one policy counts while it lives through batches."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from everfit.backtest.session import Session
from everfit.features.conform import Conform
from everfit.spec import ModelSpec
from everfit.upkeep.keeper import Keeper

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "y"}})
ROWS = pd.DataFrame({"x": np.random.default_rng(0).normal(size=1400)})
Y = 2 * ROWS["x"].to_numpy() + np.random.default_rng(1).normal(size=1400)
LEARNT = ROWS.assign(y=Y)[:1000]
START = datetime(2026, 11, 1, tzinfo=UTC)


def test_rows_that_a_refit_has_learnt_still_count_as_new_for_a_search():
    pipeline = Pipeline([("conform", Conform({"x": "number"})), ("model", LinearRegression())])
    keeper = Keeper(pipeline.fit(LEARNT, Y[:1000]), LEARNT, Y[:1000], SPEC.refit, "regression", 100)
    session, actions, counted = Session(SPEC, keeper, ["x"]), [], []
    for day, at in enumerate(range(1000, 1400, 100)):
        rows = ROWS[at : at + 100].reset_index(drop=True)
        _, answers = session.answer(rows)
        actions.append(session.learn(rows, Y[at : at + 100], answers, START + timedelta(days=day)).action)
        counted.append(session.labelled)
    assert "refit" in actions
    assert counted == [100, 200, 300, 400]
    wrong = session.learn(rows.copy(), np.roll(Y[at : at + 100], 50), answers, START + timedelta(days=5))
    assert (wrong.action, "joined by a wrong key?" in wrong.reasons[0], session.labelled) == ("repair", True, 400)
    session.crown(keeper, ["x"], START)
    assert session.labelled == 0
