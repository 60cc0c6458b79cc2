"""Another version takes over while requests come: at once, step by step, or only in the background."""

import asyncio
import itertools
import json
import sys
import threading
import time
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pytest
import uvicorn
from starlette.testclient import TestClient

from everfit import registry
from everfit.lake import Lake
from everfit.serving import affected, comparing, shadow, upkeep, versions
from everfit.serving.app import make_app
from everfit.serving.compiled import Compiled
from everfit.serving.rollout import Stage
from everfit.serving.running import service_of
from everfit.serving.shadow import Shadow
from everfit.spec import Data, ModelSpec, load_spec
from flows import cli
from tests.everfit.registry.conftest import candidate_of
from tests.everfit.serving.conftest import RECORD, crown, spec_of
from tests.keeping import keep

NOW = datetime.now(UTC)
SWAPS = 20


def following(settings, **rollout):
    return service_of(ModelSpec(**{**spec_of().model_dump(), "rollout": rollout}), settings)


def asked(http, count=1, record=RECORD):
    return [http.post("/predict", json=record).raise_for_status().json() for _ in range(count)]


def recorded(ledger, *kinds):
    return [entry.kind for entry in ledger.entries("bike", kinds=kinds)]


def look(service, now):
    """Look, and once more when the losses are read that the first look asked for."""
    service.follower.look(now)
    if reading := service.follower.conductor._reading:
        wait([reading])
    service.follower.look(now)


@pytest.fixture
def port(settings, champion, monkeypatch):
    """The service on a real socket, looking often."""
    monkeypatch.setattr(upkeep, "LOOKS", 0.05)
    config = uvicorn.Config(make_app(service_of(spec_of(), settings)), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def test_twenty_swaps_under_load_fail_no_request_and_mix_no_versions(port, settings, ledger, frame):
    registry.register(settings, candidate_of(frame.assign(cost=frame["cost"] + 100), run_key="run-2"))
    expected = {
        number: registry.load(settings, "bike", number).pipeline.predict(pd.DataFrame([RECORD]))[0] for number in (1, 2)
    }
    seen, over = [], asyncio.Event()

    async def client(http):
        while not over.is_set():
            answer = await http.post("/predict", json=RECORD)
            seen.append((answer.status_code, answer.json()))

    async def answered_by(version):
        while not seen or seen[-1][1].get("version") != version:
            await asyncio.sleep(0.005)

    async def swap(http):
        for at in range(SWAPS):
            old, new = (1, 2) if at % 2 == 0 else (2, 1)
            await answered_by(old)
            await asyncio.to_thread(ledger.swap_champion, "bike", expected=old, new=new, actor="ann")
            while (await http.get("/ready")).json()["version"] != new:
                await asyncio.sleep(0.02)
            await answered_by(new)
        over.set()

    async def both():
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            await asyncio.gather(swap(http), *(client(http) for _ in range(3)))

    asyncio.run(asyncio.wait_for(both(), 120))
    assert {status for status, _ in seen} == {200}
    versions_seen = [answer["version"] for _, answer in seen]
    assert np.count_nonzero(np.diff(versions_seen)) >= SWAPS
    for _, answer in seen:
        assert answer["predictions"][0]["prediction"] == pytest.approx(expected[answer["version"]], abs=1e-6)


def test_what_failed_is_tried_again_when_time_or_a_person_may_have_mended_it(settings, ledger, frame, champion,
                                                                             monkeypatch):  # fmt: skip
    service, real = following(settings), registry.load
    follower = service.follower
    follower.look()
    second = crown(settings, ledger, frame, expected=1, run_key="run-2")
    monkeypatch.setattr(versions, "PAUSE", 0.0)
    monkeypatch.setattr(registry, "load", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    follower.look()
    assert (service.version, follower.refused) == (1, {})
    monkeypatch.setattr(registry, "load", real)
    model = real(settings, "bike", second).folder / "model.skops"
    whole = model.read_bytes()
    model.write_bytes(whole + b"x")
    follower.look()
    assert "v2" in service.refused()
    counted = []
    monkeypatch.setattr(registry, "load", lambda *which: (counted.append(which), real(*which))[1])
    follower.look()
    assert not counted  # nothing changed since
    restarted = following(settings)
    restarted.follower.look()
    assert restarted.version == 1
    model.write_bytes(whole)
    follower.look()
    assert (service.version, follower.refused) == (2, {})
    assert recorded(ledger, "serving_refused", "went_live") == ["went_live", "serving_refused", "went_live"]


def test_a_canary_takes_over_by_steps_also_across_a_restart(settings, ledger, frame, champion):
    policy = {"steps": [0.5, 1.0], "hold": "1h", "min_answers": 5}
    service = following(settings, canary=policy)
    with TestClient(make_app(service)) as http:
        second = crown(settings, ledger, frame, expected=1, run_key="run-2")
        service.follower.look(NOW)
        for answer in asked(http, 30):
            takes = service.follower.live.stage.takes(answer["predictions"][0]["id"])
            assert answer["version"] == (second if takes else 1)
        service.follower.look(NOW + timedelta(minutes=59))
        assert "v2 answers 50.0%" in http.get("/model").json()["rollout"]
    again = following(settings, canary=policy)
    with TestClient(make_app(again)) as http:
        assert (again.version, again.follower.live.canary.version, again.follower.live.stage.share) == (1, 2, 0.5)
        asked(http, 30)
        look(again, NOW + timedelta(hours=2))
        assert {answer["version"] for answer in asked(http, 6)} == {second}
        look(again, NOW + timedelta(hours=4))
        assert http.get("/model").json()["rollout"] == "v2 answers every request"
        assert again.version == second
    assert recorded(ledger, "went_live", "canary_started", "canary_advanced", "canary_finished") == [
        "went_live", "canary_started", "canary_advanced", "canary_finished"
    ]  # fmt: skip
    kept = Lake(settings).predictions("bike")
    assert set(zip(kept["_version"], kept["role"], strict=True)) == {(1, "champion"), (2, "canary")}


def test_a_service_that_cannot_read_the_old_version_ends_no_canary(settings, ledger, frame, champion, monkeypatch):
    healthy, real = following(settings, canary={"steps": [0.01, 1.0]}).follower, registry.load
    healthy.look(NOW)
    second = crown(settings, ledger, frame, expected=1, run_key="run-2")
    healthy.look(NOW)

    def started(cause):
        def load(*of):
            if of[-1] == second:
                return real(*of)
            raise cause

        monkeypatch.setattr(registry, "load", load)
        other = following(settings, canary={"steps": [0.01, 1.0]}).follower
        other.look(NOW)
        return other.live

    assert started(OSError(5, "Input/output error")) is None, "what can be read a moment later is waited for"
    live = started(ValueError("damaged on this machine"))
    assert (live.main.version, live.canary) == (second, None)
    healthy.look(NOW)
    assert (healthy.live.main.version, healthy.live.canary.version) == (1, second)
    assert recorded(ledger, "went_live", "canary_started", "serving_refused") == [
        "went_live", "canary_started", "serving_refused"
    ]  # fmt: skip


def test_a_canary_that_fails_goes_back_by_itself_and_no_client_notices(settings, ledger, frame, champion, caplog):
    broken = settings.home / "lake/bike/labels/_delta_log/00000000000000000000.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")  # no losses can be read
    service = following(settings, canary={"steps": [0.5, 1.0], "by": "colour", "min_answers": 5})
    with TestClient(make_app(service)) as http:
        unproven = crown(settings, ledger, frame, expected=1, run_key="run-2")
        second = crown(settings, ledger, frame, expected=unproven, run_key="run-3")
        misspelt = following(settings, canary={"by": "color"})
        misspelt.follower.look(NOW)
        assert "'color', which is no column of its data. Did you mean 'colour'?" in misspelt.refused()["v3"]
        assert (misspelt.version, misspelt.follower.live.canary) == (1, None)
        service.follower.look(NOW)
        live = service.follower.live
        ours = next(colour for colour in map(str, range(99)) if live.stage.takes(colour))
        same = [{**RECORD, "colour": colour} for colour in (ours, ours, ours, int(ours), float(ours))]
        assert [asked(http, 1, each)[0]["version"] for each in same] == [second] * 5
        assert {answer["version"] for answer in asked(http, 5, {"amount": 1})} == {1}
        assert http.get("/model").json()["canary"]["keyless"] == 5
        look(service, NOW + timedelta(hours=2))
        assert service.follower.live.stage.share == 0.5, "no step ends well without losses"
        object.__setattr__(live.canary, "compiled", Compiled(lambda row: np.array([np.nan]), ()))
        assert [answer["version"] for answer in asked(http, 2, {**RECORD, "colour": ours})] == [1, 1]
        assert caplog.text.count("v3 failed as a canary") == 1
        assert http.post("/predict", json={"sise": 1, "colour": ours}).status_code == 422
        service.follower.look(NOW)
        assert {answer["version"] for answer in asked(http, 3, {**RECORD, "colour": ours})} == {1}
    assert ledger.champion("bike") == 1
    assert "2 of 7 answers failed" in ledger.swaps("bike")[-1].reason
    assert recorded(ledger, "canary_reverted", "rolled_back")[-2:] == ["canary_reverted", "rolled_back"]


def test_a_challenger_answers_in_the_background_and_its_end_is_its_own(settings, ledger, frame, champion, monkeypatch):
    monkeypatch.setattr(shadow, "WAITING", 30)
    monkeypatch.setattr(shadow, "NICE", 0)  # other tests would starve it
    waits = registry.register(settings, candidate_of(frame, run_key="run-2")).number
    ledger.once("approval_wanted", "bike", f"v{waits}", actor="ann", facts={"version": waits, "champion": 1})
    service = following(settings, shadow={"share": 1.0})
    with TestClient(make_app(service)) as http:
        given = asked(http, 40)  # while it is still being loaded
        assert service.follower.shadow.dropped == 10
        assert {answer["version"] for answer in given} == {1}
        assert http.get("/model").json()["shadow"]["version"] == waits
        while not recorded(ledger, "shadow_started", "shadow_stopped"):
            time.sleep(0.1)
        service.follower.shadow.offer(["x"], [{"no such": "field"}])
        while not recorded(ledger, "shadow_stopped"):
            time.sleep(0.1)
        service.follower.look()
        assert (service.follower.shadow.version, service.version) == (None, 1)
        assert len(asked(http)) == 1
    lake = Lake(settings)
    ids = [answer["predictions"][0]["id"] for answer in given]
    assert lake.shadow("bike")["prediction_id"].tolist() == ids[:30]
    assert set(lake.predictions("bike")["_version"]) == {1}
    assert len(lake.predictions("bike")) == 41
    assert recorded(ledger, "shadow_started", "shadow_stopped") == ["shadow_started", "shadow_stopped"]


def test_two_versions_are_compared_by_answers_and_once_labels_are_known_by_loss(settings):
    spec = ModelSpec(name="bike", data=Data(source="x", target="cost", ids=("order",), labels="y"))
    lake, rows, random = Lake(settings), 100, np.random.default_rng(0)
    truth = random.normal(size=rows)
    given = pd.DataFrame({"prediction_id": [f"p{at}" for at in range(rows)], "order": np.arange(rows)})
    loaded = SimpleNamespace(task="regression", version=2, pipeline=None)
    said = given.assign(prediction=truth + random.normal(size=rows) * 0.1)
    keep(lake, "bike", said, version=1, batch_digest="a")
    ids = [f"q{at}" for at in range(rows)]
    worse = given.assign(prediction_id=ids, order=given["order"] + rows, prediction=truth + 0.5)
    keep(lake, "bike", worse, version=2, batch_digest="b")
    lake.record_shadow("bike", said[["prediction_id"]].assign(prediction=truth + 0.5), version=2, batch_digest="c")
    stage = Stage(version=2, beside=1, share=0.5, since=NOW, began=NOW, first=1, number=1)
    assert comparing.canary_losses(lake, spec, loaded, stage, 20, threading.Event()) is None
    unlabelled = comparing.shadow_beside(lake, spec, loaded, 1, NOW)
    assert (unlabelled.answers, unlabelled.labels, unlabelled.apart) == (rows, 0, pytest.approx(0.5, abs=0.05))
    keys = [*map(str, range(rows)), *ids]  # of rows, and of answers
    labels = pd.DataFrame({"_key": keys, "cost": [*truth, *truth]})
    first = labels.index % rows < 80
    lake.record_labels("bike", labels[first], "labels.parquet")
    losses = comparing.canary_losses(lake, spec, loaded, stage, 20, threading.Event())
    assert (losses.after, losses.labels) == (pytest.approx(0.5), 80)
    lake.record_labels("bike", labels[~first], "more.parquet")
    assert comparing.canary_losses(lake, spec, loaded, stage, 20, threading.Event()) == losses, (
        "looked at again when they have doubled"
    )
    assert (losses.p_value < 0.001, losses.rise > 3) == (True, True)
    labelled = comparing.shadow_beside(lake, spec, loaded, 1, NOW)
    assert labelled.loss == pytest.approx(0.5)
    assert "0.5 against 0.0" in labelled.sentence
    assert comparing.shadow_beside(lake, spec, loaded, 1, NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize(("personal", "said"), [
    ((), "could not convert string to float: 'Ann Smith'"),
    (("who",), "ValueError"),
])  # fmt: skip
def test_what_a_version_raised_names_nobody(settings, monkeypatch, personal, said):
    monkeypatch.setattr(registry, "load", lambda *_: float("Ann Smith"))
    spec = ModelSpec(name="bike", data=Data(source="x", target="cost", personal=personal))
    tried = versions.Versions(spec, settings)
    assert (tried.get(1, 1), tried.refused) == (None, {1: said})


def test_a_canary_whose_loss_has_risen_goes_back_when_labels_come(settings, ledger, frame, champion, monkeypatch):
    policy = {"steps": [0.5, 1.0], "min_labels": 10}
    service, ending, again = (following(settings, canary=policy) for _ in range(3))
    with TestClient(make_app(service)) as http:
        second = crown(settings, ledger, frame.assign(cost=frame["cost"] + 100), expected=1, run_key="run-2")
        service.follower.look(NOW)
        given = pd.DataFrame([answer["predictions"][0] for answer in asked(http, 60)])
    right = given["prediction"].where(given["prediction"] < 50, given["prediction"] - 100)
    labels = pd.DataFrame({"_key": given["id"], "cost": right + np.random.default_rng(0).normal(size=60) / 10})
    Lake(settings).record_labels("bike", labels, "labels.parquet")
    kept = pd.concat(Lake(settings).answers_in_parts("bike", spec_of().data, versions=(1, second), since=NOW))
    with monkeypatch.context() as patch:  # the service ends amid a table that takes long
        patch.setattr(Lake, "answers_in_parts", lambda *_, **__: itertools.repeat(kept, 20_000))
        with TestClient(make_app(ending)):
            reading = ending.follower.conductor._reading
    assert not reading.result().known
    look(again, NOW + timedelta(minutes=1))
    assert (again.version, ledger.champion("bike")) == (1, 1)
    [back] = ledger.entries("bike", kinds=["canary_reverted"])
    assert "its loss on" in back.reason
    assert (back.facts["version"], back.facts["losses"]["labels"] in (10, 20)) == (second, True)


def test_a_canary_with_one_more_class_is_judged_by_loss_as_well(settings):
    spec = ModelSpec(name="bike", data=Data(source="x", target="kind"))
    lake, classes = Lake(settings), np.array(["high", "low", "mid"], dtype=object)
    for version, known in ((1, classes[:2]), (2, classes)):
        said = pd.DataFrame({"prediction_id": [f"{version}-{at}" for at in range(20)], "prediction": "low"})
        shares = {f"probability_{name}": 1 / len(known) for name in known}
        keep(lake, "bike", said.assign(**shares), version=version, batch_digest=str(version))
        labels = pd.DataFrame({"_key": said["prediction_id"], "kind": ["high", "low"] * 10})
        lake.record_labels("bike", labels, f"{version}.parquet")
    loaded = SimpleNamespace(task="multiclass", pipeline=SimpleNamespace(classes_=classes))
    stage = Stage(version=2, beside=1, share=0.5, since=NOW, began=NOW, first=1, number=1)
    losses = comparing.canary_losses(lake, spec, loaded, stage, 20, threading.Event())
    assert (losses.before, losses.after) == (pytest.approx(np.log(2)), pytest.approx(np.log(3)))


def test_a_full_queue_drops_what_it_would_hold_and_a_killed_challenger_is_not_started_again(settings, ledger):
    asked_ = Shadow(ModelSpec(**{**spec_of().model_dump(), "rollout": {"shadow": {"share": 0.5}}}), settings)
    asked_.offer(["a"], [RECORD])
    assert asked_.dropped == 0
    asked_._queue = shadow.SPAWN.Queue(3)
    for at in range(200):
        asked_.offer([str(at)], [RECORD])
    assert 60 < asked_.dropped < 140
    asked_.version, asked_.beside, (over, asked_._over) = 2, 1, shadow.SPAWN.Pipe(duplex=False)
    asked_._process = shadow.SPAWN.Process(target=time.sleep, args=(60,), daemon=True)
    asked_._process.start()
    asked_._process.kill()
    asked_._process.join()
    asked_.follow(2, 1, ())
    assert "signal 9" in ledger.entries("bike", kinds=["shadow_stopped"])[0].reason
    assert over.poll(), "it is over for whoever listens, and nobody's lock was asked for"
    asked_.follow(2, 1, ("v2 beside v1",))
    assert asked_.version is None


def test_a_challenger_that_is_ended_amid_its_work_leaves_nothing_behind(settings):
    trying = ModelSpec(**{**spec_of().model_dump(), "rollout": {"shadow": {"share": 1.0}}})
    before, at_work = threading.active_count(), Shadow(trying, settings)
    at_work.follow(2, 1, ())
    queue = at_work._queue
    for _ in range(shadow.WAITING):
        at_work.offer(["x"], [{**RECORD, "colour": "red" * 1000}])
    at_work.stop(patience=0.0)
    at_work._queue = queue  # a request that came in between
    at_work.offer(["x"], [RECORD])
    assert at_work.dropped == 1
    queue._thread.join(5)
    assert threading.active_count() == before


def test_a_rollback_lists_what_the_bad_version_said_and_what_the_restored_one_says(
    settings, ledger, frame, champion, monkeypatch, capsys
):  # fmt: skip
    bad = crown(settings, ledger, frame.assign(cost=frame["cost"] + 100), expected=1, run_key="run-2")
    with TestClient(make_app(following(settings))) as http:
        given = [answer["predictions"][0] for answer in asked(http, 5)]
        early = affected.affected(settings, "bike", bad)
        assert (early.count, early.waiting, early.sentence[-20:]) == (0, 5, "ask again in a minute"[-20:])
    keep(Lake(settings), "bike", pd.DataFrame({"prediction": [1.0]}), version=bad, batch_digest="file")
    settings.models.mkdir(parents=True)
    (settings.models / "bike.yaml").write_text("name: bike\ndata: {source: x, target: cost, time: when}\n")
    before = Lake(settings).predictions("bike")

    def everfit(*words):
        monkeypatch.setattr(sys, "argv", ["everfit", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, capsys.readouterr().out

    monkeypatch.setenv("EVERFIT_WORKSPACE", str(settings.workspace))
    assert (everfit("rollback", "bike", "--out", "bad.txt")[0], ledger.champion("bike")) == (2, bad)
    code, told = everfit("rollback", "bike", "--out", "bad.parquet", "--rescore")
    assert (code, ledger.champion("bike")) == (0, 1)
    assert "back to v1 from v2" in told
    assert "v2 has given 6 predictions, from 20" in told
    assert "on their way" not in told
    assert "v1 says something else of 5 of 5 rows, by -100" in told
    assert "of 1 more not all fields were kept" in told
    assert set(pd.read_parquet("bad.parquet")["prediction_id"].dropna()) == {each["id"] for each in given}
    both = pd.read_parquet("bad-v2-by-v1.parquet")
    assert both["prediction"].tolist() == [each["prediction"] for each in given]
    expected = registry.load(settings, "bike", 1).pipeline.predict(pd.DataFrame([RECORD]))[0]
    np.testing.assert_allclose(both["rescored"], expected, atol=1e-6)
    pd.testing.assert_frame_equal(Lake(settings).predictions("bike"), before)
    again = json.loads(everfit("rollback", "bike", "--json")[1])
    assert (again["changed"], again["affected"]["count"], again["affected"]["version"]) == (False, 6, bad)
    assert "serving: v1 is champion; v2 answers until a service has gone over" in everfit("history", "bike")[1]


@pytest.mark.parametrize(("personal", "said"), [
    ([], "v1 says something else of 0 of 9 rows, by +0 on average"),
    (["source"], "v1 says something else of 0 of 0 rows; of 9 more not all fields were kept"),
])  # fmt: skip
def test_the_same_model_says_the_same_again_of_whatever_was_kept_whole(settings, ledger, frame, personal, said):
    renamed = frame.rename(columns={"colour": "source"})
    crown(settings, ledger, renamed)
    crown(settings, ledger, renamed, expected=1, run_key="run-2")
    settings.models.mkdir(parents=True)
    data = {"source": "x", "target": "cost", "time": "when", "personal": personal}
    (settings.models / "bike.yaml").write_text(json.dumps({"name": "bike", "data": data}))
    with TestClient(make_app(service_of(load_spec("bike", settings.models), settings))) as http:
        for colour in ("red", "green", "blue") * 3:
            asked(http, 1, {"amount": 1.5, "count": 3, "source": colour})
    assert affected.rescore(settings, "bike", 2, 1, settings.home / "both.csv").sentence == said
    assert len(pd.read_csv(settings.home / "both.csv")["rescored"]) == (0 if personal else 9)
