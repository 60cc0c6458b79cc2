import json
from threading import Event
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest

from everfit.settings import Settings
from flows.talk import call
from tasks import artifacts
from tasks.addresses import announced


@pytest.fixture
def name():
    return f"m{uuid4().hex[:8]}"


@pytest.fixture
def in_a_run(prefect_api):
    """Call a function inside a flow run, where artifacts have something to belong to."""
    from prefect import flow

    return lambda work: flow(name="toy")(work)()


def published(url, key):
    return call(f"{url}/artifacts/latest/filter", {"artifacts": {"key": {"any_": [key]}}})


def latest(url, key):
    found = published(url, key)
    assert len(found) == 1
    return found[0]


def test_each_kind_arrives_under_its_models_key(prefect_api, in_a_run, name):
    def work():
        artifacts.publish_report(name, "promotion-verdict", "verdict", "# v2 won")
        artifacts.publish_table(name, "leaderboard", [{"model": "lightgbm", "score": 0.5}], "leaderboard")
        artifacts.publish_link(name, "mlflow-run", "http://127.0.0.1:5000/x", "MLflow run")

    in_a_run(work)
    assert latest(prefect_api, f"{name}-promotion-verdict")["data"] == "# v2 won"
    assert json.loads(latest(prefect_api, f"{name}-leaderboard")["data"]) == [{"model": "lightgbm", "score": 0.5}]
    assert "[MLflow run](http://127.0.0.1:5000/x)" in latest(prefect_api, f"{name}-mlflow-run")["data"]


def test_a_live_table_is_one_artifact_that_shows_what_was_said_last(prefect_api, in_a_run, name):
    def work():
        live = artifacts.LiveTable(name, "leaderboard")
        live.show([{"Model": "CatBoost", "Best": float("nan")}], "so far")
        live.show([{"Model": "LightGBM", "Best": 0.5}], "at last")

    in_a_run(work)
    (only,) = call(f"{prefect_api}/artifacts/filter", {"artifacts": {"key": {"any_": [f"{name}-leaderboard"]}}})
    assert json.loads(only["data"]) == [{"Model": "LightGBM", "Best": 0.5}]
    assert only["description"] == "at last"


def test_what_json_cannot_hold_and_a_screen_cannot_show_is_left_out(prefect_api, in_a_run, name):
    row = {"nan": float("nan"), "inf": np.inf, "np": np.float64(0.123456789), "n": np.int64(3), "yes": np.bool_(True),
           "none": None, "when": pd.Timestamp("2026-01-01"), "long": "x" * 1000}  # fmt: skip
    in_a_run(lambda: artifacts.publish_table(name, "t", [row] * 150, "many rows"))
    artifact = latest(prefect_api, f"{name}-t")
    shown = json.loads(artifact["data"])
    assert artifact["description"] == "many rows (first 100 of 150)"
    assert len(shown) == 100
    assert shown[0] | {"long": len(shown[0]["long"])} == {
        "nan": None, "inf": None, "np": 0.123457, "n": 3, "yes": True, "none": None, "when": "2026-01-01 00:00:00",
        "long": 300,
    }  # fmt: skip


def test_a_long_report_is_cut_and_still_says_where_the_whole_is(prefect_api, in_a_run, name, tmp_path, monkeypatch):
    monkeypatch.setenv("EVERFIT_WORKSPACE", str(tmp_path))
    page = Settings().reports(name) / "data 1.html"
    with announced(Settings()) as say:
        say({"reports": "http://127.0.0.1:4280"})
        in_a_run(lambda: artifacts.publish_report(name, "data-report", "checks", "x" * 90_000, page))
    shown = latest(prefect_api, f"{name}-data-report")["data"]
    assert len(shown) < 51_000
    assert shown.endswith(f"[Full report](http://127.0.0.1:4280/{name}/data%201.html)")
    in_a_run(lambda: artifacts.publish_report(name, "data-report", "checks", "short", page))
    assert f"`{page}`" in latest(prefect_api, f"{name}-data-report")["data"]


def test_progress_moves_and_is_not_sent_more_often_than_anybody_looks(prefect_api, in_a_run, name, monkeypatch):
    sent = []
    real = artifacts.update_progress_artifact
    monkeypatch.setattr(artifacts, "update_progress_artifact", lambda **what: (sent.append(what), real(**what)))

    def work():
        progress = artifacts.Progress(name, "search-progress")
        for trial in range(1, 101):
            progress.update(trial / 100, f"{trial}/100 trials, best 0.9")
        progress.end("100/100 trials, best 0.9")

    in_a_run(work)
    artifact = latest(prefect_api, f"{name}-search-progress")
    assert (float(artifact["data"]), artifact["description"]) == (100.0, "100/100 trials, best 0.9")
    assert len(sent) == 1


def test_an_operator_who_looks_while_it_runs_sees_the_bar_move(prefect_api, in_a_run, name, monkeypatch):
    monkeypatch.setattr(artifacts, "PAUSE", 0.0)
    seen = []

    def look():
        artifact = latest(prefect_api, f"{name}-search-progress")
        seen.append((float(artifact["data"]), artifact["description"]))

    def work():
        progress = artifacts.Progress(name, "search-progress")
        look()
        for share in (0.25, 0.5):
            progress.update(share, f"{share:.0%} of the time")
            progress._last.result()
            look()
        progress.end("100% of the time")
        look()

    in_a_run(work)
    assert seen == [
        (0.0, "starting"),
        (25.0, "25% of the time"),
        (50.0, "50% of the time"),
        (100.0, "100% of the time"),
    ]


def test_outside_a_run_nothing_is_published_and_nothing_breaks(name):
    artifacts.publish_report(name, "verdict", "verdict", "text")
    artifacts.Progress(name).end("done")


def test_a_server_that_is_busy_does_not_hold_up_the_work(prefect_api, in_a_run, name, monkeypatch):
    answered, heard = Event(), []
    monkeypatch.setattr(artifacts, "PAUSE", 0.0)
    monkeypatch.setattr(artifacts, "update_progress_artifact", lambda **_: heard.append(answered.wait(20)))

    def work():
        progress = artifacts.Progress(name)
        for _ in range(3):
            progress.update(0.5, "half")
        answered.set()
        progress.end("done")
        return "kept its budget"

    assert in_a_run(work) == "kept its budget"
    assert heard == [True, True]  # the second word was not waited for, and the third came after the first


def test_an_artifact_that_cannot_be_published_does_not_end_the_run(prefect_api, in_a_run, name, monkeypatch):
    def broken(**_):
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(artifacts, "create_markdown_artifact", broken)

    def work():
        artifacts.publish_report(name, "verdict", "verdict", "text")
        return "went on"

    assert in_a_run(work) == "went on"
    assert published(prefect_api, f"{name}-verdict") == []


def test_models_whose_names_differ_have_keys_that_differ():
    keys = [artifacts.key_of(model, "data-report") for model in ("bike-2", "bike_2", "bike2")]
    assert keys == ["bike-2-data-report", "bike--2-data-report", "bike2-data-report"]


def test_a_key_is_one_that_prefect_allows(prefect_api, in_a_run, name):
    in_a_run(lambda: artifacts.publish_report(f"{name}_2", "verdict", "verdict", "text"))
    assert latest(prefect_api, f"{name}--2-verdict")["data"] == "text"
