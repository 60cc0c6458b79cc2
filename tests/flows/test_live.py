"""A model that lives on what it is asked: served, drifted, labelled, judged and learnt from, with no file in sight."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from everfit.lake import Lake
from everfit.ledger import Ledger
from everfit.serving.app import make_app
from everfit.serving.running import service_of
from everfit.settings import Settings
from everfit.spec import ModelSpec, load_spec
from tasks.build_features import labelled_rows

MODEL = "loads"
SPEC = """
name: loads
data: {source: history.parquet, target: y, time: at, drop: [later]}
search: {budget: 4m, trials: 1, estimators: [linear]}
monitor: {min_rows: 100, min_labels: 60}
refit: {auto: false}
retrain: {cooldown: 1s}
"""


def loads(first: int, count: int, slope: float) -> pd.DataFrame:
    """Return hourly loads; `later` is known too late, and no client sends it."""
    dice, n = np.random.default_rng(first), np.arange(first, first + count)
    x = dice.normal(slope - 3, 1, count)
    at = pd.Timestamp("2026-03-01") + pd.to_timedelta(n, "h")
    y = (slope * x + dice.normal(0, 0.5, count)).round(3)
    return pd.DataFrame({"at": at, "n": n % 7, "x": x.round(3), "later": n, "y": y})


def ask(settings: Settings, rows: pd.DataFrame) -> list[str]:
    """Answer rows as a service does that is started and ended, and return the ids of the answers."""
    service, ids = service_of(load_spec(MODEL, settings.models), settings), list[str]()
    records = rows.drop(columns=["y", "later"]).assign(at=rows["at"].astype(str)).to_dict("records")
    with TestClient(make_app(service)) as http:
        for at in range(0, len(records), 60):
            answer = http.post("/predict", json=records[at : at + 60]).raise_for_status().json()
            ids += [each["id"] for each in answer["predictions"]]
    return ids


@pytest.fixture(scope="module")
def story(founded: Callable[[str, str], Settings]) -> SimpleNamespace:
    """Train on a file that goes away, be asked about another world, learn what was true, look, and learn from it."""
    from flows.cli import app
    from flows.monitor import monitor
    from flows.train import train

    settings = founded(MODEL, SPEC)
    loads(0, 400, 3).to_parquet("history.parquet")
    told: dict[str, Any] = {"train": train(MODEL)}
    Path("history.parquet").rename("history.elsewhere")
    asked = loads(400, 300, 6)
    told["few"] = (ask(settings, asked.head(60)), monitor(MODEL))
    ids = [*told["few"][0], *ask(settings, asked.tail(240))]
    told["ids"] = ids
    told["unlabelled"] = monitor(MODEL)
    late = pd.DataFrame({"prediction_id": ids, "y": asked["y"]})
    strange = pd.DataFrame({"prediction_id": ["0" * 32, None], "y": [1.0, 2.0]})
    wrong = late.head(20).assign(y=-99.0)
    wrong.to_csv("wrong.csv", index=False)
    pd.concat([late.assign(y=late["y"].where(late.index < 299)), late.head(1), strange]).to_parquet("labels.parquet")
    run = CliRunner()
    told["labels"] = [run.invoke(app, ["labels", MODEL, "--data", name]) for name in ("wrong.csv", "labels.parquet")]
    told["labelled"] = monitor(MODEL)
    told["again"] = monitor(MODEL)
    late.head(1).assign(y=0.0).to_csv("late.csv", index=False)
    told["late"] = run.invoke(app, ["labels", MODEL, "--data", "late.csv", "--json"])
    told["people"] = _people(settings, monitor)
    return SimpleNamespace(settings=settings, told=told, ledger=Ledger.of(settings), lake=Lake(settings), asked=asked)


def _people(settings: Settings, monitor: Any) -> list[Any]:
    """Say that an input is about people, be asked, look, learn half of what was true, and look again."""
    (settings.models / f"{MODEL}.yaml").write_text(SPEC.replace("drop:", "personal: [n], drop:"))
    asked = loads(700, 120, 6)
    ids = ask(settings, asked)
    looks = [monitor(MODEL)]
    pd.DataFrame({"prediction_id": ids, "y": asked["y"]}).head(60).to_csv("people.csv", index=False)
    return [*looks, monitor(MODEL, labels="people.csv")]


def test_what_was_asked_becomes_one_batch_once_it_is_enough(story):
    told = story.told
    assert told["few"][1]["batches"] == []
    (batch,) = [each for each in story.lake.batches(MODEL) if each.origin == "live traffic 1"]
    assert (batch.rows, batch.good, batch.live) == (300, 300, True)
    assert told["unlabelled"]["batches"] == [batch.digest]
    assert not told["unlabelled"]["warnings"]


def test_it_is_judged_like_a_file_and_a_second_look_finds_nothing_new(story):
    judged = story.ledger.entries(MODEL, kinds=["drift_judged"])
    first, second, *_ = (entry.facts["evidence"] for entry in judged)
    assert (first["rows"], first["labels"]) == (300, 0)
    moved = next(finding for finding in first["findings"] if finding["signal"] == "input drift")
    assert (moved["severity"], moved["columns"]) == ("watch", ["x"])
    assert second["labels"] == 299
    assert story.told["labelled"]["action"] == "search"
    assert (story.told["again"]["batches"], story.told["again"]["labels"]) == ([], None)


def test_an_input_about_people_is_no_fault_and_answers_are_judged_as_they_were_given(story):
    batch, labels = story.told["people"]
    assert batch["verdict"] == "watch"
    assert "1 of 1 columns moved: x;" in batch["reasons"][0], batch["reasons"]
    seen = [entry.facts["evidence"] for entry in story.ledger.entries(MODEL, kinds=["drift_judged"])][-2:]
    assert [each["rows"] for each in seen] == [120, 60]
    assert seen[1]["labels"] - seen[0]["labels"] == 60
    assert labels["action"] != "repair"


def test_each_label_has_an_outcome_that_is_told(story):
    wrong, right = (each.output for each in story.told["labels"])
    assert "20 are new" in wrong
    told = ("303 rows read", "280 are new", "20 correct", "1 repeat", "1 name no row", "1 have no label yet")
    for line in (*told, "1 label(s) are of rows"):
        assert line in right, right


@pytest.mark.parametrize(("origin", "told"), [("live traffic 3", "This period is not looked at"), ("a.csv", "again;")])
def test_nobody_is_told_to_send_again_what_a_service_was_asked(tmp_path, monkeypatch, origin, told):
    from flows.monitor import _advice

    monkeypatch.chdir(tmp_path)
    spec = ModelSpec(name=MODEL, data={"source": "d.csv", "target": "y"})
    facts = {"origin": origin, "rows": 3}
    Ledger.of(Settings()).record("refused_batch", MODEL, subject="b1", actor="ann", reason="broken", facts=facts)
    assert told in _advice(spec, "b1")


def test_a_label_for_an_earlier_champion_is_late(story):
    assert story.ledger.champion(MODEL) == 2
    late = json.loads(story.told["late"].output.splitlines()[-1])
    assert (late["corrected"], late["late"], late["unknown"]) == (1, 1, 0)


def test_labelled_live_rows_are_learnt_from_as_file_rows_are(story):
    spec = load_spec(MODEL, story.settings.models)
    rows = labelled_rows(spec, story.lake.snapshot(MODEL))
    assert len(rows) == 699
    assert "_prediction_id" not in rows
    live = rows.tail(299)
    assert live["y"].tolist() == [0.0, *story.asked["y"].iloc[1:299]]
    assert live["at"].tolist() == story.asked["at"].head(299).tolist()
    assert live["later"].isna().all()
