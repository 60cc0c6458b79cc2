"""The service as a client meets it: answers, refusals, another champion, and what is kept of it all."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.testclient import TestClient

from everfit.errors import InputError
from everfit.lake import Lake
from everfit.registry import load
from everfit.serving import versions
from everfit.serving.about import about
from everfit.serving.app import make_app
from everfit.serving.drain import drain
from everfit.serving.running import service_of
from everfit.serving.tokens import ensure_guarded, holder_of, read_tokens
from tests.everfit.serving.conftest import RECORD, crown, plain, spec_of


def test_it_says_what_the_model_says_alone_and_in_a_crowd(http, settings, frame):
    records = plain(frame.drop(columns="cost"))
    wanted = load(settings, "bike", 1).pipeline.predict(frame)
    many = http.post("/predict", json=records).json()
    assert (many["model"], many["version"]) == ("bike", 1)
    np.testing.assert_allclose([each["prediction"] for each in many["predictions"]], wanted)
    alone = [http.post("/predict", json=record).json()["predictions"][0]["prediction"] for record in records[:10]]
    np.testing.assert_allclose(alone, wanted[:10], atol=1e-6)


def test_it_speaks_mlflows_protocol(http):
    one = http.post("/predict", json=RECORD).json()["predictions"][0]["prediction"]
    for form in (
        {"dataframe_records": [RECORD, RECORD]},
        {"dataframe_split": {"columns": list(RECORD), "data": [list(RECORD.values())] * 2}},
        {"inputs": [RECORD, RECORD]},
        {"inputs": {name: [value] * 2 for name, value in RECORD.items()}},
    ):
        assert http.post("/invocations", json=form).json()["predictions"] == [one, one], form


def test_a_bad_request_gets_one_clear_answer(settings, champion):
    with TestClient(make_app(service_of(spec_of(max_rows=20, max_body_mb=0.01), settings))) as http:
        for body, status, told in (
            ("{", 422, "no JSON"),
            ("[]", 422, "empty"),
            ("3", 422, "cannot be read"),
            ("[" * 9_000, 422, "no JSON"),
            ('{"amount": "much"}', 422, "cannot be read"),
            ("[" + ",".join(["{}"] * 21) + "]", 413, "20"),
            ('{"amount": "' + "x" * 20_000 + '"}', 413, "MB"),
        ):
            answer = http.post("/predict", content=body)
            assert (answer.status_code, told in answer.json()["error"]) == (status, True), answer.text
            assert http.post("/predict", json=RECORD).status_code == 200


def test_only_who_has_a_token_may_ask(settings, champion, monkeypatch):
    monkeypatch.setenv("EVERFIT_SERVE_TOKENS", "ci:0123456789abcdef, ann:fedcba9876543210")
    guarded = service_of(spec_of(), type(settings)(workspace=settings.workspace))
    with TestClient(make_app(guarded)) as http:
        assert [http.get(open_).status_code for open_ in ("/health", "/ready", "/openapi.json")] == [200] * 3
        assert [http.head(open_).status_code for open_ in ("/health", "/ready", "/ping")] == [200] * 3
        assert http.post("/predict", json=RECORD).status_code == 401
        assert http.post("/predict", json=RECORD, headers={"Authorization": "Bearer nonsense"}).status_code == 401
        for token in ("0123456789abcdef", "fedcba9876543210"):
            headers = {"Authorization": f"Bearer {token}"}
            assert http.post("/predict", json=RECORD, headers=headers).status_code == 200
    with pytest.raises(InputError, match="entry 2") as told:
        read_tokens("ci:0123456789abcdef,short:secret")
    assert "secret" not in str(told.value)
    with pytest.raises(InputError, match="entry 2 has the name of another"):
        read_tokens("ann:0123456789abcdef,ann:fedcba9876543210")
    tokens = read_tokens("ci:0123456789abcdef,bo:köln-0123456789ab")
    assert [holder_of(header, tokens) for header in (
        "bearer 0123456789abcdef", "Basic 0123456789abcdef", "Bearer", "Bearer 0123456789abcde", "",
        "Bearer " + "köln-0123456789ab".encode().decode("latin-1"),
    )] == ["ci", "", "", "", "", "bo"]  # fmt: skip


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", False), ("::1", False), ("localhost", False),
                                            ("0.0.0.0", True), ("::", True), ("", True), ("shop", True)])  # fmt: skip
def test_without_tokens_it_is_not_open_to_other_machines_by_accident(host, told):
    ensure_guarded(host, read_tokens("ci:0123456789abcdef"), open_to_all=False)
    ensure_guarded(host, {}, open_to_all=True)
    with pytest.raises(InputError, match="EVERFIT_SERVE_OPEN") if told else nullcontext():
        ensure_guarded(host, {}, open_to_all=False)


def test_too_many_at_once_are_told_to_come_again(service, http):
    service.busy = service.spec.serve.concurrency
    answer = http.post("/predict", json=RECORD)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert 'everfit_errors_total{kind="busy",model="bike"} 1.0' in service.measured().decode()
    service.busy = 0


def test_a_promotion_is_followed_and_what_is_unfit_never_serves(service, http, settings, ledger, frame, monkeypatch):
    other = crown(settings, ledger, frame, expected=1, run_key="run-2")
    service.follower.look()
    assert http.post("/predict", json=RECORD).json()["version"] == other
    broken = SimpleNamespace(
        predict=lambda frame: np.full(len(frame), np.nan), steps=load(settings, "bike", 1).pipeline.steps
    )
    real = versions.registry.load
    monkeypatch.setattr(versions.registry, "load", lambda *which: _with(real(*which), broken))
    third = crown(settings, ledger, frame, expected=other, run_key="run-3")
    service.follower.look()
    service.follower.look()
    assert http.post("/predict", json=RECORD).json()["version"] == other
    (alert,) = ledger.entries("bike", kinds=["serving_refused"])
    assert (alert.facts["version"], alert.facts["kept"]) == (third, other)
    assert "no numbers" in http.get("/model").json()["refused"][f"v{third}"]


def _with(loaded, pipeline):
    object.__setattr__(loaded, "pipeline", pipeline)
    return loaded


@pytest.mark.parametrize("log", ["durable", "async"])
def test_every_answer_is_in_the_lake_once(settings, champion, frame, log):
    service = service_of(spec_of(log=log), settings)
    with TestClient(make_app(service)) as http:
        given = [http.post("/predict", json=RECORD).json()["predictions"][0] for _ in range(3)]
        given += http.post("/predict", json=plain(frame.head(20))).json()["predictions"]
        copies = {path: path.read_bytes() for path in service.journal.folder.glob("*.jsonl")}
    for path, held in copies.items():  # as if the process had died before it removed what it handed over
        path.write_bytes(held)
    drain(settings, service.spec, service.journal.folder)
    kept = Lake(settings).predictions("bike")
    assert sorted(kept["prediction_id"]) == sorted(each["id"] for each in given)
    row = kept[kept["prediction_id"] == given[0]["id"]].iloc[0]
    assert (row["prediction"], row["colour"], row["_version"]) == (given[0]["prediction"], "red", 1)
    assert not list(service.journal.folder.glob("*.jsonl"))


def test_a_lake_that_cannot_be_written_stops_nothing_and_answers_wait_on_disk(settings, champion):
    lake = settings.home / "no-folder"
    lake.write_text("")
    service = service_of(spec_of(), settings.model_copy(update={"lake_uri": str(lake)}))
    with TestClient(make_app(service)) as http:
        assert http.post("/predict", json=RECORD).status_code == 200
        http.portal.call(service.upkeep.hand_over)
        assert http.post("/predict", json=RECORD).status_code == 200
        assert 'kind="lake"' in service.measured().decode()
    assert len(list(service.journal.folder.glob("*.jsonl"))) == 2


def test_what_goes_to_the_ledger_waits_for_nothing_that_hangs_where_large_requests_are(service):
    async def upkeep(over):
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        hangs = asyncio.create_task(asyncio.to_thread(over.wait, 30))
        await asyncio.sleep(0)
        await service.upkeep.look()
        await service.upkeep.hand_over()
        assert (await service.told(about))["version"] == service.version == 1
        assert not hangs.done()
        over.set()

    asyncio.run(upkeep(Event()))


@pytest.mark.parametrize(("policy", "status", "lost"), [("refuse", 503, 0), ("answer", 200, 2)])
def test_what_cannot_be_kept_is_refused_or_given_and_counted(settings, champion, ledger, policy, status, lost):
    service = service_of(spec_of(when_log_fails=policy), settings)
    service.journal.folder = settings.home / "ledger.db"  # a file, where no folder can be
    with TestClient(make_app(service)) as http:
        assert [http.post("/predict", json=RECORD).status_code for _ in range(2)] == [status] * 2
        measured = service.measured().decode()
        assert 'kind="log"' in measured
        assert f'everfit_answers_lost{{model="bike"}} {lost:.1f}' in measured
    (alert,) = ledger.entries("bike", kinds=["answers_not_kept"])
    assert alert.facts == {"lost": lost, "refused": 2 - lost}


def test_the_description_shows_the_fields_of_the_model(http):
    record = http.get("/openapi.json").json()["components"]["schemas"]["Record"]
    assert set(record["properties"]) == {"amount", "count", "colour", "when", "weekend"}
    assert record["properties"]["colour"]["description"].startswith("Such as blue, red; ")
    assert http.get("/docs").status_code == 200
