"""A model whose promotions wait for a person: asked, granted, refused, come too late, and its trainings repeated."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everfit import registry, scaffold
from everfit.lake import Lake
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.simulation import rentals
from flows import cli

MODEL = "rentals"
QUICK = "{budget: 4m, trials: 2, estimators: [lightgbm, linear]}"
OFTEN = "{cooldown: 1s, max_per_week: 30}"
KILLED = """
import os, signal
from flows import train
train.search = lambda *_, **_more: os.kill(os.getpid(), signal.SIGKILL)
train.train("rentals", reason="at three in the morning", data_version=1)
"""

Command = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module")
def here(moved_to: Callable[[str], Settings], prefect_api: str) -> SimpleNamespace:
    """An empty workspace, and a model file that asks for approval."""
    settings = moved_to("promotion")
    for name, frame in {"history": rentals(0, 52), "week-4": rentals(73, 7), "week-5": rentals(80, 7)}.items():
        frame.to_parquet(f"{name}.parquet", index=False)
    scaffold.create(settings, MODEL, "history.parquet", "rentals", time="hour", budget="4m", force=False)
    told = SimpleNamespace(settings=settings, ledger=Ledger.of(settings), api=prefect_api)
    change(told, "{budget: 4m}", QUICK)
    change(told, "{holdout: 0.2}", "{holdout: 2d}")
    change(told, "{cooldown: 1d, max_per_week: 3}", OFTEN)
    change(told, "approval: auto", "approval: manual")
    with (settings.models / f"{MODEL}.yaml").open("a") as file:
        file.write("refit: {auto: false}\n")  # drift then has a search at once
    return told


@pytest.fixture
def everfit(here: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process; returns exit code, stdout, stderr and, with --json, what it said."""

    def run(*words: str) -> SimpleNamespace:
        monkeypatch.setattr("flows.cli.console.answered", False)
        monkeypatch.setenv("EVERFIT_PREFECT_API", here.api)
        monkeypatch.setattr(sys, "argv", ["everfit", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return SimpleNamespace(code=stop.value.code or 0, out=out, err=err, json=said(out) if "--json" in words else {})

    return run


def said(out: str) -> dict[str, Any]:
    return dict(json.loads(out))


def change(here: SimpleNamespace, old: str, new: str) -> None:
    path = here.settings.models / f"{MODEL}.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def last(here: SimpleNamespace, kind: str) -> Any:
    return here.ledger.entries(MODEL, kinds=[kind])[-1]


def test_a_better_challenger_waits_and_says_how_to_decide(here, everfit):
    ended = everfit("train", MODEL, "--reason", "the first", "--json")
    assert (ended.code, ended.json["state"], ended.json["champion"]) == (0, "Waits for approval", None)
    assert f"everfit promote {MODEL} --refuse" in ended.json["sentence"]
    assert (here.ledger.waiting(MODEL), here.ledger.champion(MODEL)) == (1, None)
    assert last(here, "train_started").reason == "the first"


def test_a_person_grants_it(here, everfit):
    ended = everfit("promote", MODEL, "--reason", "looks right")
    assert (ended.code, ended.out.strip()) == (0, f"{MODEL}: v1 became the first champion: looks right")
    assert (here.ledger.champion(MODEL), here.ledger.waiting(MODEL)) == (1, None)


def test_drift_trains_a_challenger_that_waits_too(here, everfit):
    ended = everfit("monitor", MODEL, "--data", "week-4.parquet", "--json")
    here.second = ended.json["retraining"]
    assert (ended.code, here.second["state"], here.second["version"]) == (0, "Waits for approval", 2)
    assert here.ledger.waiting(MODEL) == 2


def test_while_one_waits_drift_starts_no_other(here, everfit):
    ended = everfit("monitor", MODEL, "--data", "week-5.parquet", "--json")
    assert (ended.code, ended.json["verdict"], ended.json["retraining"]) == (0, "retrain", None)
    assert ended.json["blockers"] == ["version 2 waits for approval: promote or refuse it first"]


def test_a_person_refuses_it(here, everfit):
    ended = everfit("promote", MODEL, "--refuse", "--reason", "it forgets the winters")
    assert (ended.code, ended.out.strip()) == (
        0, f"{MODEL}: v2 was refused; v1 stays champion: it forgets the winters",
    )  # fmt: skip
    assert (here.ledger.champion(MODEL), here.ledger.waiting(MODEL)) == (1, None)
    again = everfit("promote", MODEL)
    assert again.code == 2
    assert "no version waits for approval" in again.err


def test_a_training_repeated_on_the_same_data_finds_the_same_model(here, everfit):
    before = Lake(here.settings).snapshot(MODEL)
    version = here.second["data"]["version"]
    ended = everfit("train", MODEL, "--data-version", str(version), "--json")
    assert (ended.code, ended.json["version"]) == (0, 3)
    assert ended.json["data"] == {**here.second["data"], "same_as": [2]}
    assert ended.json["scores"] == here.second["scores"]
    assert ended.json["rows_hash"] == here.second["rows_hash"]
    assert list(ended.json["seconds"])[:2] == ["revisit", "build_features"]
    two, three = (registry.load(here.settings, MODEL, number) for number in (2, 3))
    assert three.card["params"] == two.card["params"]
    batch = pd.read_parquet("week-5.parquet")
    assert np.array_equal(three.pipeline.predict(batch), two.pipeline.predict(batch))
    assert Lake(here.settings).snapshot(MODEL) == before
    assert last(here, "train_started").summary == f"training on data v{version} started: asked by hand"
    assert last(here, "registered").facts["data"]["version"] == version
    trained = {
        entry.facts["version"]: entry.facts["winners"] for entry in here.ledger.entries(MODEL, kinds=["registered"])
    }
    assert trained[3] == trained[2]
    assert here.ledger.winners(MODEL)[0] == tuple(trained[1][0].values()), "the champion's comes first"


def test_a_data_version_that_does_not_exist_names_those_that_do(here, everfit):
    ended = everfit("train", MODEL, "--data-version", "99")
    assert ended.code == 2
    assert f"{MODEL}: there is no version 99 of its data." in ended.err
    assert "Rows came with version" in ended.err
    assert last(here, "train_failed").reason == f"{MODEL}: there is no version 99 of its data"


def test_what_waits_does_not_replace_a_champion_that_it_was_not_judged_against(here, everfit):
    assert everfit("promote", MODEL, "--version", "2", "--reason", "after all").code == 0
    ended = everfit("promote", MODEL)
    assert ended.code == 4
    assert f"{MODEL}: v3 did not take over: v2 is champion since" in ended.err
    assert f"everfit train {MODEL}" in ended.err
    assert last(here, "promotion_refused").reason == "v2 took over meanwhile; this version was compared with v1"
    assert (here.ledger.champion(MODEL), here.ledger.waiting(MODEL)) == (2, None)


def test_a_training_that_is_overtaken_is_refused_and_says_by_whom(here, everfit, monkeypatch):
    change(here, "approval: manual", "approval: auto")
    everfit("rollback", MODEL)
    flow = import_module("flows.train")
    register = flow.register

    def register_slowly(*args: Any, **more: Any) -> Any:
        made = register(*args, **more)
        registry.promote_by_hand(here.settings, MODEL, 3, reason="somebody was faster")
        return made

    monkeypatch.setattr(flow, "register", register_slowly)
    ended = everfit("train", MODEL, "--data-version", str(here.second["data"]["version"]), "--json")
    assert (ended.code, ended.json["state"], ended.json["champion"]) == (4, "Champion kept", 3)
    assert "v4 did not take over: v3 is champion since" in ended.json["reasons"][0]
    refused = last(here, "promotion_refused")
    assert refused.reason == "v3 took over meanwhile; this version was compared with v1"
    assert (refused.facts["version"], refused.facts["champion"]) == (4, 3)
    assert registry.sync_aliases(here.settings, here.ledger, MODEL) == {"champion": 3, "previous": 1}


def test_a_training_on_rows_that_the_champion_has_all_learnt_from_is_refused_in_words(here, everfit):
    ended = everfit("train", MODEL, "--data-version", "1", "--json")
    assert (ended.code, ended.json["version"], ended.json["champion"]) == (4, 5, 3)
    assert ended.json["reasons"] == ["v3 has learnt from every row that could judge it"]
    assert list(ended.json["scores"]) == ["dummy", "challenger"]
    assert ended.json["rows"] == 288


def test_a_training_that_was_killed_is_one_that_did_not_end(here, everfit):
    env = os.environ | {"PREFECT_API_URL": here.api}
    died = subprocess.run([sys.executable, "-c", KILLED], env=env, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    entries = everfit("history", MODEL, "--json").json["entries"]
    assert entries[-1]["summary"] == "training on data v1 started: at three in the morning (it did not end)"
    assert [entry["summary"] for entry in entries if "did not end" in entry["summary"]] == [entries[-1]["summary"]]


def test_data_that_are_not_those_of_the_record_train_nothing(here, everfit):
    recorded = last(here, "registered").facts
    other = {**recorded, "version": 9, "data": {**recorded["data"], "digest": "0" * 32}}
    here.ledger.record("registered", MODEL, subject="v9", actor="an older lake", facts=other)
    ended = everfit("train", MODEL, "--data-version", str(recorded["data"]["version"]))
    assert ended.code == 2
    assert "is not what was recorded" in ended.err
    assert "can no longer be repeated" in ended.err
    assert "is not what was recorded" in last(here, "train_failed").reason


def test_all_of_it_is_in_a_ledger_that_holds(here):
    assert here.ledger.verify().ok
