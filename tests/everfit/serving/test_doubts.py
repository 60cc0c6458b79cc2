"""What a version says beside its answers: why, that it had rather not, nothing personal, and how it fares."""

import asyncio
import json
import multiprocessing
import os
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from starlette.testclient import TestClient

from everfit.errors import InputError
from everfit.lake import Lake
from everfit.ledger import Ledger
from everfit.monitor import performance, shifts
from everfit.monitor.decision import Evidence, Verdict
from everfit.monitor.findings import Finding
from everfit.monitor.moved import Drift
from everfit.personal import Personal
from everfit.registry import Loaded
from everfit.registry.files import card_of
from everfit.serving.answering import Service
from everfit.serving.app import make_app
from everfit.serving.following import Follower, Live
from everfit.serving.journal import Journal
from everfit.serving.metrics import Metrics
from everfit.serving.served import make_ready
from everfit.serving.watching import INPUTS, LOSS, VERDICTS, Judged, log_lag
from everfit.settings import Settings
from everfit.spec import Data, ModelSpec
from tests.everfit.registry.conftest import candidate_of
from tests.everfit.serving.conftest import RECORD, plain

KEY = "k" * 32


@pytest.fixture(scope="module")
def loaded(frame):
    """A regression, as it is read back."""
    return loaded_of(candidate_of(frame))


@pytest.fixture(scope="module")
def classifier(frame):
    labelled = frame.assign(late=np.where(frame["count"] % 3 == 0, "yes", "no")).drop(columns="cost")
    return loaded_of(candidate_of(labelled, "late", LogisticRegression(), "binary", positive="yes"))


def loaded_of(made):
    return Loaded(made.model, 1, None, made.pipeline, card_of(made), made.reference, made.train_rows)


def service_of(loaded, folder, people=(), **serve):
    spec = ModelSpec(name="bike", data=Data(source="x", target=loaded.card["target"], personal=people), serve=serve)
    settings = Settings(workspace=folder, hash_key=KEY)
    follower = Follower(spec, settings)
    follower.live = Live(make_ready(spec, loaded))
    journal = Journal(settings.folder("answers", "bike"))
    return Service(spec, follower, journal, Metrics("bike"), {}, Personal.of(spec, settings))


async def longest_gap(over):
    """Return for how long at most nothing else was done, until it is over."""
    longest, last = 0.0, monotonic()
    while not over:
        await asyncio.sleep(0.002)
        longest, last = max(longest, monotonic() - last), monotonic()
    return longest


def test_an_explanation_sums_to_the_answer_and_says_what_it_leaves_out(classifier, tmp_path, frame):
    service = service_of(classifier, tmp_path, max_explained=3)
    with TestClient(make_app(service)) as http:
        records = plain(frame.drop(columns="cost").head(3))
        said = http.post("/predict", json=records).json()["predictions"]
        began, over = monotonic(), []
        stood_still = http.portal.start_task_soon(longest_gap, over)
        told = http.post("/explain?top=2", json=records).json()
        over.append(monotonic() - began)
        assert stood_still.result() < 0.5 * over[0], "others are answered while the process that explains is started"
        for answer, why in zip(said, told["explanations"], strict=True):
            assert (why["prediction"], why["scale"]) == (answer["prediction"], "probability of yes")
            assert why["value"] == pytest.approx(answer["probabilities"]["yes"], abs=told["tolerance"])
            parts = [each["contribution"] for each in why["contributions"]]
            assert why["base"] + sum(parts) + why["others"] == pytest.approx(why["value"], abs=told["tolerance"])
            assert len(parts) == 2
        assert http.post("/explain?top=9", json=records[2]).json()["explanations"][0]["value"] == why["value"]
        live = service.follower.live
        other = replace(live.main, loaded=replace(classifier, version=2))
        vars(other)["explainer"] = replace(live.main.explainer, pipeline=None)
        service.follower.live = Live(other)
        with pytest.raises(AttributeError):
            http.post("/explain", json=records[0])
        service.follower.live = live
        assert http.post("/explain", json=records[0]).json()["version"] == 1, "it is told again"
        for worker in multiprocessing.active_children():
            worker.kill()
        again = (http.post("/explain", json=records[0]) for _ in range(2))
        assert [each.status_code for each in again] == [503, 200]
        refused = [("", records * 2, 413), ("?top=0", records, 422), ("?top=x", records, 422), ("", [{"x": 1}], 422)]
        for query, body, status in refused:
            assert http.post(f"/explain{query}", json=body).status_code == status


def test_a_prediction_is_held_back_with_its_reasons_and_kept(loaded, tmp_path):
    service = service_of(loaded, tmp_path, abstain={"range": True, "broken": True, "gaps": 0.6})
    odd = {
        "beyond": RECORD | {"amount": 1e9},
        "endless": RECORD | {"amount": float("inf")},
        "unseen": RECORD | {"colour": "mauve"},
        "gap": {name: value for name, value in RECORD.items() if name != "count"},
        "gaps": {"amount": 1.0},
    }
    with TestClient(make_app(service)) as http:
        body = json.dumps([RECORD, RECORD | {"amount": None, "colour": None}, *odd.values()])
        fine, gappy, *held = http.post("/predict", content=body).json()["predictions"]
        mlflow = http.post("/invocations", json={"inputs": [odd["unseen"]]}).json()
        text = service.measured().decode()
        explained = http.post("/explain", json=[RECORD, odd["unseen"]]).json()["explanations"]
    assert [(each["abstained"], each["prediction"] is None) for each in explained] == [(False, False), (True, True)]
    assert [why["field"] for why in explained[1]["reasons"]] == ["colour"]
    assert (fine["abstained"], gappy["abstained"]) == (False, False)
    assert all(each["prediction"] is None and each["abstained"] for each in held)
    told = {
        name: [(why["kind"], why.get("field")) for why in each["reasons"]] for name, each in zip(odd, held, strict=True)
    }
    assert told == {
        "beyond": [("out of range", "amount")],
        "endless": [("out of range", "amount")],
        "unseen": [("unseen level", "colour")],
        "gap": [("missing", "count")],
        "gaps": [("missing", "count"), ("missing", "weekend"), ("missing", "when"), ("too many missing", None)],
    }
    columns = {name: [record.get(name) for record in odd.values()] * 5 for name in RECORD}
    many = service.follower.served.doubts(columns, service.follower.served.predict(columns))
    assert [[str(why) for why in many[20 + at]] for at in range(5)] == [
        [": ".join(filter(None, why)) for why in each] for each in told.values()
    ]
    usual = [each["reasons"][0]["usual"] for each in (held[0], held[2], held[3])]
    assert usual[1].startswith("such as blue, red "), "others may have been seen as well"
    assert all(each.endswith(f" in a sample of {len(loaded.reference)} rows") for each in usual)
    assert mlflow["predictions"] == [None]
    assert 'everfit_abstained_total{model="bike",reason="unseen level"} 2.0' in text
    kept = Lake(service.follower.settings).predictions("bike").set_index("prediction_id")
    assert kept.loc[held[0]["id"], "abstained"] == "out of range: amount"
    assert np.isfinite(kept.loc[held[0]["id"], "prediction"])
    assert kept.loc[fine["id"], "abstained"] == ""


def test_an_unsure_class_is_held_back_and_without_a_word_in_the_model_file_nothing_is(classifier, tmp_path):
    sure = make_ready(service_of(classifier, tmp_path, abstain={"confidence": 0.5}).spec, classifier)
    unsure = make_ready(service_of(classifier, tmp_path, abstain={"confidence": 1}).spec, classifier)
    columns = {name: [RECORD[name]] for name in ("amount", "count", "colour", "weekend", "when")}
    assert sure.doubts(columns, sure.predict(columns)) == {}
    assert [str(why) for why in unsure.doubts(columns, unsure.predict(columns))[0]] == ["low confidence"]
    assert service_of(classifier, tmp_path).follower.served.abstention is None
    with pytest.raises(ValidationError, match=r"data\.task says regression"):
        ModelSpec(
            name="a", data={"source": "x", "target": "y", "task": "regression"}, serve={"abstain": {"confidence": 0.6}}
        )


@pytest.mark.parametrize("how", ["drop", "hash"])
def test_nothing_shows_or_keeps_a_personal_value(loaded, tmp_path, how):
    secret, people = "Ann Example", ("colour", "amount")
    service = service_of(loaded, tmp_path, people, personal=how, abstain={"range": True})
    with TestClient(make_app(service)) as http:
        answer = http.post("/predict", json=RECORD | {"colour": secret})
        bad = [http.post("/predict", json=[body]) for body in (RECORD | {"amount": secret}, secret)]
        seen = (
            answer.text + "".join(each.text for each in bad) + http.get("/openapi.json").text + http.get("/model").text
        )
        service.journal.rotate()
        held = "".join(path.read_text() for path in service.journal.folder.iterdir())
    assert [each.status_code for each in bad] == [422, 422]
    assert secret not in seen + held
    record = http.get("/openapi.json").json()["components"]["schemas"]["Record"]["properties"]
    assert "red" not in json.dumps(record["colour"])
    (kept,) = Lake(service.follower.settings).predictions("bike").to_dict("records")
    assert ("colour" in kept) == (how == "hash")
    if how == "hash":
        assert kept["colour"] == service.personal.kept("colour", secret)
        assert len(kept["amount"]) == len(kept["colour"]) == 32


def test_a_hash_is_of_the_value_however_it_is_written_and_needs_a_key(tmp_path):
    spec = ModelSpec(
        name="bike", data=Data(source="x", target="y", personal=("id", "name")), serve={"personal": "hash"}
    )
    ids = Personal.of(spec, Settings(workspace=tmp_path, hash_key=KEY))
    assert len({ids.kept("id", value) for value in (5, 5.0, "5", np.int64(5))}) == 1
    assert len({ids.kept("id", "5"), ids.kept("name", "5"), Personal(ids.columns, b"z" * 32).kept("id", "5")}) == 3
    rows = pa.table({"id": [5, None], "cost": [0.1, 0.2]})
    assert ids.table(rows).to_pydict() == {"id": [ids.kept("id", 5), None], "cost": [0.1, 0.2]}
    assert Personal(ids.columns).table(rows).column_names == ["cost"]
    with pytest.raises(InputError, match="EVERFIT_HASH_KEY is not set"):
        Personal.of(spec, Settings(workspace=tmp_path))
    told = ModelSpec(name="a", data=Data(source="x", target="y", ids=("id",), labels="l", personal=("id",)))
    assert told.serve.personal == "drop", "labels find what files bring by ids, and answers by theirs, hashed or not"


def test_metrics_tell_what_the_monitor_found_and_how_late_the_log_is(loaded, tmp_path):
    service = service_of(loaded, tmp_path)
    ledger = Ledger.of(service.follower.settings)
    found = (Finding(INPUTS, "", columns=("amount",), effect=0.3), Finding(LOSS, "", effect=0.25))
    now = datetime(2026, 3, 1, tzinfo=UTC)
    evidence = Evidence("bike", "b1", 1, now, 600, champion=1, findings=found)
    facts = {"verdict": "watch", "evidence": evidence.to_dict()}
    ledger.record("drift_judged", "bike", actor="ann", facts=facts, at=now)
    with TestClient(make_app(service)) as http:
        assert http.post("/predict", json=RECORD).status_code == 200
        assert http.post("/predict", content="{").status_code == 422
        service.journal.rotate()
        (file,) = service.journal.folder.iterdir()
        os.utime(file, (0, file.stat().st_mtime - 100))
        families = list(text_string_to_metric_families(http.get("/metrics").text))
    seen = {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}
    assert {family.type for family in families} >= {"counter", "gauge", "histogram"}
    assert seen["everfit_model_info", *sorted(("bike", "1", "regression", "mae", "3", "true"))] == 1
    assert (
        seen["everfit_drift_verdict", "1", "bike", "watch"],
        seen["everfit_drift_verdict", "1", "bike", "fine"],
    ) == (1, 0)
    assert (seen["everfit_drift_share", "1", "bike"], seen["everfit_loss_rise", "1", "bike"]) == (0.2, 0.25)
    assert seen["everfit_drift_judged_timestamp_seconds", "1", "bike"] == now.timestamp()
    assert seen["everfit_errors_total", "bike", "no JSON"] == 1
    assert seen["everfit_request_seconds_count", "/predict", "bike"] == 1
    assert 100 <= seen["everfit_log_lag_seconds", "bike"] < 200
    assert log_lag(service.journal.folder) == 0.0
    assert service.upkeep.watch.look(ledger, 5) is None
    unjudged = replace(evidence, findings=(Finding.cannot_judge(INPUTS, "too few rows"),))
    entry = ledger.record(
        "drift_judged", "bike", subject="2", actor="ann", facts=facts | {"evidence": unjudged.to_dict()}
    )
    assert np.isnan([Judged.of(entry, 5).share, Judged.of(entry, 5).rise]).all()


def test_verdicts_and_signals_are_those_of_the_monitor():
    nothing = Drift(judged=False, why="", level=0.01, rows_before=0, rows_after=0)
    assert get_args(Verdict) == VERDICTS
    assert (shifts.of_inputs(nothing).signal, performance.SIGNAL) == (INPUTS, LOSS)
