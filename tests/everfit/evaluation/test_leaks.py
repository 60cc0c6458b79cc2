import numpy as np
import pandas as pd
import pytest

from everfit import evaluation, features
from everfit.spec import Data

N = 600


@pytest.fixture(scope="module")
def frame():
    """Columns that say something, as they should, in each kind of task."""
    chance = np.random.default_rng(0)
    value = chance.normal(size=N)
    return pd.DataFrame(
        {
            "near": value + 0.5 * chance.normal(size=N),
            "kind": np.where(value + chance.normal(size=N) > 0, "a", "b"),
            "town": [f"town {at}" for at in chance.integers(0, 90, N)],
            "gaps": np.where(chance.random(N) < 0.2, np.nan, chance.normal(size=N)),
            "note": [f"a few words of number {at}" for at in range(N)],
            "at": pd.date_range("2024", periods=N, freq="h"),
            "paid": pd.date_range("2023", periods=N, freq="h"),
            "regression": value,
            "binary": np.where(value > 0.8, "yes", "no"),
            "multiclass": pd.qcut(value, 3, labels=["low", "middle", "high"]).astype(str),
        }
    )


def found(frame, task, **columns):
    tasks = ["regression", "binary", "multiclass"]
    rows = frame.drop(columns=tasks).assign(y=frame[task], **columns)
    plan = features.plan(rows, Data(source="x", target="y", time="at"))
    return evaluation.leaks(rows, rows["y"], plan, task, time=evaluation.times_of(rows["at"]))


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_columns_that_merely_help_are_no_leaks(frame, task):
    assert found(frame, task) == ()


@pytest.mark.parametrize(
    ("task", "leak", "because"),
    [
        ("regression", lambda f: f["regression"], "repeats the target"),
        ("regression", lambda f: np.exp(f["regression"]), "rises and falls with the target"),
        ("regression", lambda f: (f["regression"] // 0.1).astype(str), "alone it nearly tells the target (R²"),
        (
            "binary",
            lambda f: f["binary"].map({"yes": "paid", "no": "due"}),
            "alone it nearly tells the target (ROC AUC",
        ),
        ("multiclass", lambda f: f["multiclass"].str.upper(), "alone it nearly tells the target (share of"),
        ("binary", lambda f: np.where(f["binary"] == "yes", f["near"], np.nan), "whether it has a value"),
        ("binary", lambda f: f["at"] + pd.Timedelta("3D"), "after the time of its row in 100% of the rows"),
    ],
)
def test_a_leak_is_named_with_what_to_do(frame, task, leak, because):
    (said,) = found(frame, task, leak=leak(frame))
    assert said.startswith("leak: ")
    assert because in said
    assert said.endswith("add it to data.drop.")


def test_few_rows_prove_nothing(frame):
    few = frame.head(60)
    assert found(few, "regression", leak=few["regression"]) == ()
