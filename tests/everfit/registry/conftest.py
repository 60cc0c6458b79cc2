"""A small training to register, and a workspace whose MLflow database is a copy of one that was migrated once."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from everfit import features, registry
from everfit.evaluation import Score
from everfit.ledger import Ledger
from everfit.models.blend import Blend
from everfit.schema import Schema
from everfit.settings import Settings
from everfit.spec import Data


@pytest.fixture
def settings(tmp_path, migrated, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Settings(workspace=tmp_path / "my space", actor="ann")
    made.folder()
    shutil.copy(migrated, made.home / "mlflow.db")
    yield made
    assert not list(tmp_path.glob("ml*")), "MLflow wrote into the current folder"


@pytest.fixture
def ledger(settings):
    return Ledger(settings.ledger_url)


@pytest.fixture
def client(settings):
    from everfit.registry import door

    return door.client(settings)


@pytest.fixture(scope="session")
def frame():
    random, rows = np.random.default_rng(0), 60
    amount = random.normal(size=rows)
    amount[3:6] = np.nan
    return pd.DataFrame(
        {
            "amount": amount,
            "count": np.arange(rows) % 12,
            "colour": pd.Series(random.choice(["red", "blue", None], rows), dtype="str"),
            "weekend": random.random(rows) > 0.5,
            "when": (pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), "h")).astype("datetime64[us]"),
            "cost": random.normal(size=rows),
        }
    )


def fitted(frame, target, estimator, task="regression"):
    """Return the plan and the fitted pipeline of a tiny training."""
    plan = features.plan(frame, Data(source="x", target=target))
    classes = None if task == "regression" else np.unique(frame[target])
    blend = Blend({"all": features.encoder(plan, "linear", task)}, [(["all"], estimator, 1.0)], classes)
    return plan, Pipeline([("conform", features.conformer(plan)), ("model", blend)]).fit(frame, frame[target])


def candidate_of(frame, target="cost", estimator=None, task="regression", **changes):
    plan, pipeline = fitted(frame, target, estimator or Ridge(), task)
    predicted = pipeline.predict(frame)
    made = registry.Candidate(
        model="bike",
        run_key="run-1",
        pipeline=pipeline,
        task=task,
        target=target,
        metric="mae" if task == "regression" else "log_loss",
        schema=Schema.of(frame).to_dict(),
        inputs=plan.inputs,
        plan=plan.to_dict(),
        snapshot={"uri": "/lake/bike", "version": 3, "digest": "d1" * 32, "rows": len(frame)},
        split={"how": "the last 20 % by time", "rows_hash": "cafe"},
        scores={"challenger": Score(1.0, 0.9, 1.1), "champion": Score(1.2, 1.1, 1.3), "dummy": Score(2.0, 1.9, 2.1)},
        leaderboard=[
            {"rank": 1, "family": "linear", "score": 1.0, "low": 0.9, "high": 1.1, "params": {"alpha": 1.0}},
            {"rank": 2, "family": "dummy", "score": 2.0, "low": None, "high": None, "params": {}},
            {"rank": None, "family": "lightgbm", "score": None, "reason": "it failed", "params": {}},
        ],
        trials=pd.DataFrame({"number": range(5), "score": [3.0, 2.0, np.nan, 2.5, 1.0], "params": ["{}"] * 5}),
        reference=frame.assign(_prediction=predicted),
        train_rows=np.array([1, 2**64 - 1], dtype="uint64"),
        seconds={"search": 4.0, "evaluate": 1.0},
        params={"family": "linear", "model": {"alpha": 1.0}},
        tags={"team": "mobility"},
        reason="asked by hand",
    )
    return replace(made, **changes)


@pytest.fixture(scope="session")
def candidate(frame):
    return candidate_of(frame)


@pytest.fixture(scope="session")
def classifier(frame):
    labelled = frame.assign(late=np.where(frame["count"] % 3 == 0, "yes", "no"))
    return candidate_of(labelled.drop(columns="cost"), "late", LogisticRegression(), "binary", positive="yes")
