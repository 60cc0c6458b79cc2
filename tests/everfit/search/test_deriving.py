import json
import time

import numpy as np
import pandas as pd
import pytest
import skops.io

from everfit import evaluation, features
from everfit.features import Derived
from everfit.registry import trust
from everfit.search import deriving, memory, pool
from everfit.search.order import Order
from everfit.search.places import SIZE, Place
from everfit.search.proposals import proposals
from everfit.spec import Data, Search
from tasks.telling import told

pool.warm_up()
N = 700
DATA = Data(source="x", target="y")


def table(kind, seed=0, n=N):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "price": np.exp(chance.normal(size=n)),
            "area": np.exp(chance.normal(size=n)),
            "size": chance.normal(size=n),
            "kind": chance.choice(list("abcd"), n),
            "town": chance.choice(list("stuv"), n),
            "start": pd.Timestamp("2024") + pd.to_timedelta(chance.integers(0, 300, n), unit="D"),
        }
    )
    frame["end"] = frame["start"] + pd.to_timedelta(chance.integers(0, 40, n), unit="D")
    ways = pd.Series(chance.normal(size=16), index=[f"{one}{two}" for one in "abcd" for two in "stuv"])
    signal = {
        "ratio": 2 * np.log(frame["area"] / frame["price"]),
        "days": (frame["end"] - frame["start"]).dt.days / 8,
        "cross": 2 * ways[frame["kind"] + frame["town"]].to_numpy(),
        "noise": 0.0,
    }[kind]
    return frame.assign(y=signal + 0.3 * chance.normal(size=n))


def refined(frame, place, workers=2, budget=120, on_progress=None, **spec):
    spec, plan = Search(**{"trials": 20} | spec), features.plan(frame, DATA)
    order = Order.of(frame, frame["y"], plan=plan, task="regression", metric=evaluation.metric("mae"), spec=spec,
                     budget=budget)  # fmt: skip
    return deriving.refined(order, memory.shared(None, 0.0, workers), Place(place), on_progress)


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    return {kind: refined(table(kind), tmp_path_factory.mktemp(kind)) for kind in ("ratio", "days", "cross")}


@pytest.mark.parametrize(
    ("kind", "parents"), [("ratio", {"price", "area"}), ("days", {"start", "end"}), ("cross", {"kind", "town"})]
)
def test_what_drives_the_target_is_found_kept_and_explained(plans, kind, parents):
    best = plans[kind].derived[0]
    assert set(best.columns) == parents
    assert best.gain > 0.05
    assert best.stability == 1.0
    assert "less loss on rows that did not learn" in best.reason


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_makes_nothing(tmp_path, seed):
    assert refined(table("noise", seed), tmp_path).derived == ()


def test_columns_that_say_nothing_are_dropped_and_no_parents_are(plans):
    dropped = [column for column in plans["days"].columns if column.role == "dropped" and column.name != "y"]
    assert dropped
    assert {"start", "end"} <= set(plans["days"].inputs)
    assert all("says no more about the target than noise" in column.reason for column in dropped)


def test_the_outcome_depends_neither_on_workers_nor_on_the_clock(plans, tmp_path):
    seen = []
    assert refined(table("days"), tmp_path, workers=1, on_progress=seen.append) == plans["days"]
    assert len(seen) > 3
    assert told(seen[0]) == "trying columns made of others, 0 of 120 s"
    assert seen[-1].seconds > seen[0].seconds


@pytest.mark.parametrize("said", [{"derive": False}, {"trials": 3}, {"budget": 5}])
def test_nothing_is_tried_where_it_is_not_wanted_or_not_worth_it(said, tmp_path):
    frame = table("ratio")
    assert refined(frame, tmp_path, **said) == features.plan(frame, DATA)
    assert {file.name for file in tmp_path.iterdir()} <= {SIZE}


def test_the_columns_that_matter_most_are_combined():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 12)), columns=[f"n{at}" for at in range(12)])
    plan = features.plan(frame.assign(y=1.0), DATA)
    used = {name for each in proposals(plan, {f"n{at}": float(at) for at in range(12)}) for name in each.columns}
    assert used == {f"n{at}" for at in range(5, 12)}


ALL = (
    Derived("ratio", ("price", "area")),
    Derived("product", ("price", "size")),
    Derived("difference", ("end", "start")),
    Derived("cross", ("kind", "town")),
    Derived("mean", ("kind",)),
)


@pytest.mark.parametrize("style", ["tree", "native", "linear", "network"])
def test_derived_columns_survive_what_was_never_seen_and_cost_little_for_one_row(style):
    frame = table("ratio")
    plan = features.Plan(features.plan(frame, DATA).columns, ALL)
    made = features.build(plan, style, "regression").fit(frame, frame["y"])
    batch = made.transform(frame)
    np.testing.assert_array_equal(made.transform(frame.iloc[[5]])[0], batch[5])
    restored = trust.read(skops.io.dumps(made), "model")
    np.testing.assert_array_equal(restored.transform(frame), batch)
    names = list(made[-1].get_feature_names_out())
    assert len(names) == batch.shape[1] == len(set(names))
    assert "price / area" in names
    odd = frame.head(4).assign(
        price=[np.inf, np.nan, 0, 1], area=[0, 1, 0, np.nan], kind=["z", None, "a", "b"], end=pd.NaT
    )
    finite = made.transform(odd)
    assert not np.isinf(finite).any()
    assert features.codes(plan, style) == {"tree": 2, "native": 3, "linear": 0, "network": 3}[style]
    plain = features.build(features.plan(frame, DATA), style, "regression").fit(frame, frame["y"])
    assert _seconds(made, frame) < _seconds(plain, frame) + 0.01


def _seconds(made, frame):
    one, times = frame.iloc[[0]], []
    for _ in range(20):
        began = time.thread_time()
        made.transform(one)
        times.append(time.thread_time() - began)
    return min(times)


def test_lineage_names_parents_operation_and_reason():
    plan = features.Plan(features.plan(table("noise"), DATA).columns, ALL)
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()
    last = plan.lineage()[-5]
    assert (last["column"], last["made of"], last["operation"]) == ("price / area", "price, area", "ratio")
    assert plan.to_dict()["derived"][3] | {"columns": []} == {
        "name": "kind × town", "operation": "cross", "columns": [], "gain": 0.0, "stability": 0.0, "reason": "",
    }  # fmt: skip
