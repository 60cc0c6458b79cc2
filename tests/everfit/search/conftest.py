import numpy as np
import pandas as pd
import pytest

from everfit import evaluation, features, search
from everfit.search import pool
from everfit.spec import Data, Search

search.warm_up()  # the imports begin while other tests are collected
N = 300


def table(task="regression", n=N, seed=0):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": chance.normal(size=n),
            "b": chance.normal(size=n),
            "c": chance.choice(["red", "green", None], n),
            "t": pd.date_range("2024", periods=n, freq="h"),
            "g": chance.integers(0, 12, n),
            "w": chance.random(n) + 0.5,
        }
    )
    signal = 2 * frame["a"] + (frame["c"] == "red") + 0.3 * chance.normal(size=n)
    if task == "regression":
        return frame.assign(y=signal)
    names = ["no", "yes"] if task == "binary" else ["low", "middle", "high"]
    return frame.assign(y=pd.qcut(signal, len(names), labels=names).astype(str))


@pytest.fixture(scope="session")
def imported():
    """Wait for the workers' imports, which budgets of tests are too short for."""
    assert pool.ready(240)


@pytest.fixture
def run(tmp_path, imported):
    """Search on a small table; every fact of the call can be changed."""

    def call(frame=None, *, task="regression", metric=None, spec=None, **more):
        frame = table(task) if frame is None else frame
        data = Data(source="x", target="y", time="t", drop=("g", "w"))
        more = {"workers": 2, "folder": tmp_path, "budget": 30} | more
        result = search.run(
            frame,
            frame["y"],
            plan=features.plan(frame, data),
            task=task,
            metric=evaluation.metric(metric or evaluation.default_metric(task), task),
            spec=spec or Search(trials=5),
            **more,
        )
        assert list(tmp_path.iterdir()) == [], "temporary files are left"
        return result

    return call
