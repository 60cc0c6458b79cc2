import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from everfit import evaluation
from everfit.errors import DataError
from everfit.search import Progress, folds, memory, pool
from everfit.search.estimators import FAMILIES, family
from everfit.search.portfolio import TURNS
from everfit.spec import Search
from tests.everfit.search.conftest import table
from tests.everfit.search.troublemakers import TROUBLE, Breeds, Fails, Hangs, Leaks, Segfaults, Slows, Spawns

LINEAR = family("linear")


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_the_best_is_fitted_and_beats_the_constant_guess(run, task):
    found = run(task=task, spec=Search(trials=6))
    new = table(task, seed=1)
    measure = evaluation.metric(evaluation.default_metric(task))
    score = measure.score(new["y"].to_numpy(), evaluation.predict(found.best, new, task))
    baseline = next(row for row in found.leaderboard if row.status == "baseline")
    assert measure.gain(score) > measure.gain(baseline.score)
    assert found.stopped_by == "trials"
    assert list(found.best.named_steps) == ["conform", "model"]
    if task != "regression":
        assert list(found.best.classes_) == sorted(set(new["y"]))


def test_the_leaderboard_ranks_every_family_and_the_dummy(run):
    trials = 1 + max(map(TURNS.index, TURNS))  # by then each family has had its first turn
    found = run(spec=Search(trials=trials))
    ranked = [row for row in found.leaderboard if row.rank]
    assert [row.rank for row in ranked] == list(range(1, len(ranked) + 1))
    assert [row.score for row in ranked] == sorted(row.score for row in ranked)
    assert {row.family for row in found.leaderboard} >= {"dummy", *(family.name for family in FAMILIES)}
    best = ranked[0]
    assert best.low < best.score < best.high
    assert best.predict_ms > 0
    assert best.fit_seconds > 0
    assert len(found.trials) == trials
    assert json.loads(found.trials["params"][0])
    pickle.loads(pickle.dumps(found.leaderboard))


def test_one_row_from_json_is_predicted_as_in_the_batch(run):
    frame = table("binary")
    found = run(frame, task="binary", spec=Search(trials=1, estimators=("lightgbm",)))
    batch = found.best.predict_proba(frame)
    rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    for at in (0, 1, 2, 3, 4):
        np.testing.assert_array_equal(found.best.predict_proba(pd.DataFrame([rows[at]]))[0], batch[at])


def test_the_same_seed_and_number_of_trials_give_the_same_whatever_the_workers(run):
    one = run(spec=Search(trials=9, seed=3), workers=1)
    two = run(spec=Search(trials=9, seed=3), workers=2)
    facts = ["number", "family", "status", "score", "params", "folds"]
    pd.testing.assert_frame_equal(one.trials[facts], two.trials[facts])
    np.testing.assert_array_equal(one.best.predict(table()), two.best.predict(table()))


def test_another_seed_tries_something_else(run):
    one, two = (run(spec=Search(trials=8, seed=seed, estimators=("linear",))) for seed in (1, 2))
    assert one.trials["params"].tolist()[1:] != two.trials["params"].tolist()[1:]


def test_trials_that_raise_crash_or_devour_memory_are_lines_of_the_leaderboard(run):
    found = run(families=(LINEAR, *TROUBLE), spec=Search(trials=5))
    reasons = {row.family: row.reason for row in found.leaderboard if row.status == "failed"}
    assert "it needs more than" in reasons.pop("devours")
    assert reasons == {
        "raises": "ZeroDivisionError: nothing to share",
        "exits": "its process ended by itself (exit code 7)",
        "segfaults": "its process was ended by SIGSEGV",
    }
    assert found.family == "linear"


def test_whatever_trials_do_the_budget_is_kept_and_nothing_is_left(run):
    began, here = time.monotonic(), memory.held([os.getpid()])
    trouble = (Segfaults(), Leaks(), Breeds(), Hangs(), Spawns())
    found = run(families=(LINEAR, *trouble), budget=12, spec=Search(max_memory_gb=here / 1e9 + 0.6))
    assert time.monotonic() - began < 12 + 5
    assert (found.stopped_by, found.family) == ("budget", "linear")
    lines = {row.family: row for row in found.leaderboard}
    assert {name: line.status for name, line in lines.items() if name in {each.name for each in trouble}} == {
        "segfaults": "failed", "leaks": "failed", "breeds": "failed", "hangs": "timed out", "spawns": "timed out",
    }  # fmt: skip
    assert all("it needs more than" in lines[name].reason for name in ("leaks", "breeds"))
    assert lines["hangs"].reason.startswith("not done after")
    assert (lines["spawns"].rank, lines["spawns"].score) == (None, None)
    left = subprocess.run(["ps", "axo", "pid,args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 4217" not in left


def test_workers_are_forked_from_a_process_that_has_imported_the_metrics():
    assert pool.ready(60)
    known = "import sys; sys.exit(not {'lightgbm', 'everfit.evaluation.metrics'} <= set(sys.modules))"
    process = multiprocessing.get_context("forkserver").Process(target=exec, args=(known,))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_when_every_trial_fails_the_reasons_are_the_error(run):
    with pytest.raises(DataError, match="nothing to share"):
        run(families=(TROUBLE[0],), spec=Search(trials=2))


def test_when_the_final_fit_fails_the_best_of_a_fold_is_returned(run):
    found = run(families=(Fails(),), spec=Search(trials=1))
    assert "not on all rows" in found.note
    assert np.isfinite(found.best.predict(table())).all()


def test_when_no_trial_is_finished_in_time_there_is_still_a_model(run):
    found = run(budget=0.01, spec=Search())
    assert found.note.startswith("a quick fit on few rows")
    assert np.isfinite(found.best.predict(table())).all()
    assert found.score is None


def test_where_a_trial_has_one_fold_the_best_are_fitted_on_the_others_as_well(run, monkeypatch):
    monkeypatch.setattr(folds, "COST", 4e-3)  # as if the rows were many more
    found = run(budget=8, spec=Search(estimators=("lightgbm",)))
    assert found.how.startswith("1 fold(s)")
    assert all(len(json.loads(each)) == 1 for each in found.trials["folds"] if each != "[]")
    bags = [part for part in found.best.named_steps["model"].members if "lightgbm" in str(type(part[1]))]
    assert len(bags) > 1
    assert sum(weight for *_, weight in found.best.named_steps["model"].members) == pytest.approx(1)
    assert found.seconds < 8 + 3


def test_with_a_time_column_the_best_are_fitted_on_all_rows(run):
    frame = table()
    found = run(frame, spec=Search(trials=2, estimators=("lightgbm",)), time=frame["t"].to_numpy())
    assert len(found.best.named_steps["model"].members) <= 2
    assert found.note == ""


def test_a_blend_is_a_line_of_the_leaderboard(run):
    frame = table(n=600)
    frame["y"] += np.random.default_rng(1).normal(size=600)  # where there is noise, means have less of it
    families = (Slows(), family("extra_trees"), LINEAR)
    found = run(frame, metric="rmse", spec=Search(trials=6), families=families)
    top = found.leaderboard[0]
    assert (found.family, top.family, top.rank) == ("blend", "blend", 1)
    assert found.params == top.params
    assert [name for name, _ in found.winners] == [
        member["family"] for member in sorted(top.params["members"], key=lambda member: -member["weight"])
    ]
    assert all("rounds" not in params for _, params in found.winners)
    assert sum(member["weight"] for member in top.params["members"]) == pytest.approx(1, abs=1e-3)
    best = next(row for row in found.leaderboard if row.rank == 2)
    assert top.score < best.score
    assert top.low < top.score < top.high
    assert top.predict_ms > 0
    assert "xgboost" in {name for name, _ in found.winners}
    quick = run(frame, metric="rmse", spec=Search(trials=6, max_latency_ms=80), families=families)
    assert "xgboost" not in {name for name, _ in quick.winners}, "its model of all rows is too slow"
    assert quick.note == ""


def test_a_model_that_may_not_take_long_is_the_fastest_and_says_if_that_is_not_enough(run):
    found = run(spec=Search(trials=3, estimators=("lightgbm", "linear"), max_latency_ms=1e-6))
    assert found.family != "blend"
    assert "more than the 1e-06 allowed" in found.note


def test_a_model_that_may_not_be_large_is_small(run):
    few = Search(trials=4, seed=1, estimators=("lightgbm", "linear", "extra_trees"))
    board = run(spec=few).leaderboard
    smallest = min(row.size_mb for row in board if row.size_mb and row.rank)
    found = run(spec=few.model_copy(update={"max_size_mb": 10 * smallest}))
    assert found.note == ""
    assert found.family in {row.family for row in board if row.size_mb and row.size_mb < 10 * smallest}


def test_a_grid_ends_by_itself_and_the_winners_can_be_begun_with(run):
    spec = Search(method="grid", estimators=("linear",), space={"linear": {"penalty": [0.5, 2.0]}})
    found = run(spec=spec, budget=60)
    assert found.stopped_by == "trials"
    assert sorted(found.trials["params"]) == ['{"penalty": 0.5}', '{"penalty": 2.0}']
    again = run(spec=Search(trials=2, estimators=("linear",)), start=[*found.winners, ("mlp", {})])
    assert again.warmed == 1
    assert json.loads(again.trials["params"][1]) == found.winners[0][1]


def test_what_was_spent_is_known_by_family(run):
    found = run(spec=Search(trials=3, estimators=("lightgbm", "linear")))
    assert set(found.spent) == set(found.trials["family"])
    assert sum(found.spent.values()) == pytest.approx(found.trials["seconds"].sum())


def test_stop_returns_the_best_so_far(run):
    seen: list[Progress] = []
    found = run(on_progress=seen.append, stop=lambda: bool(seen and seen[-1].done >= 2), spec=Search(), budget=60)
    assert found.stopped_by == "asked"
    assert found.seconds < 50
    assert seen[-1].best_family
    assert seen[-1].allowed == 60


def test_rows_without_an_answer_are_left_aside(run):
    frame = table()
    frame.loc[::3, "y"] = None
    assert np.isfinite(run(frame, spec=Search(trials=1)).score)


def test_time_group_and_weight_reach_the_trials(run):
    frame, spec = table("binary"), Search(trials=1, estimators=("linear",))
    said = {
        "time": run(frame, task="binary", spec=spec, time=frame["t"].to_numpy()).how,
        "group": run(frame, task="binary", spec=spec, group=frame["g"].to_numpy()).how,
        "weight": run(frame, task="binary", spec=spec, weight=frame["w"].to_numpy()).how,
    }
    assert "later rows judge earlier ones" in said["time"]
    assert "groups stay whole" in said["group"]
    assert "fall at random" in said["weight"]


def test_weights_change_what_is_learnt(run):
    frame = table()
    spec = Search(trials=1, estimators=("linear",))
    plain, heavy = (run(frame, spec=spec, weight=w) for w in (None, np.where(frame["a"] > 0, 1.0, 0.01)))
    assert not np.allclose(plain.best.predict(frame), heavy.best.predict(frame))


def test_nothing_to_learn_from_is_said_before_anything_starts(run):
    frame = table()[["t", "y"]].assign(t=pd.Timestamp("2024"), constant=1)
    with pytest.raises(DataError, match="No column is left") as caught:
        run(frame)
    assert any("it is always 1" in line for line in caught.value.details)


SCRIPT = """
import sys
print("main runs")
from pathlib import Path
from everfit import evaluation, features, search
from everfit.spec import Data, Search
from tests.everfit.search.conftest import table
frame = table()
print("searching", flush=True)
search.run(frame, frame["y"], plan=features.plan(frame, Data(source="x", target="y")), task="regression",
           metric=evaluation.metric("mae"), spec=Search(), budget=600, folder=Path(sys.argv[1]), workers=2,
           on_progress=lambda seen: seen.done and print("scored", flush=True))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Start a script that searches and has no main guard; kill it when a trial is done; return what it said."""
    place = tmp_path_factory.mktemp("killed")
    (place / "script.py").write_text(SCRIPT)
    env = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    command = [sys.executable, str(place / "script.py"), str(place / "work")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        said = []
        while "scored" not in said:
            assert process.poll() is None
            said.append(process.stdout.readline().strip())
        left, workers = list((place / "work").iterdir()), _session_of(process.pid)
        process.kill()
        said += process.communicate()[0].split("\n")
    return said, place / "work", left, workers


def test_a_script_without_a_main_guard_is_not_run_again_by_its_workers(killed):
    said, *_ = killed
    assert said.count("main runs") == said.count("searching") == 1


def test_workers_of_a_search_that_was_killed_end_and_leave_no_files(killed):
    _, place, left, workers = killed
    assert left
    assert workers
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (list(place.iterdir()) or any(map(_lives, workers))):
        time.sleep(0.2)
    assert list(place.iterdir()) == []
    assert not any(map(_lives, workers))


def _session_of(parent):
    """Return the workers, which are children of a child of the search."""
    out = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in out.splitlines()[1:]]
    children = {pid for pid, ppid in pairs if ppid == parent}
    return [pid for pid, ppid in pairs if ppid in children]


def _lives(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
