import asyncio
import time
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from uuid import uuid4

import httpx
import pytest
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from everfit.errors import EverfitError, InputError, SpecError, Unavailable
from everfit.settings import Settings
from flows import automations, deploy, events, runner
from flows.runner import drop_missed, report_failures
from flows.talk import call

TOYS = {name: f"toyflows.{name}" for name in ("train", "monitor", "predict")}
PREDICT = "predict: {{input: new.csv, output: 'said/{{date}}.csv', schedule: {}}}"


@pytest.fixture
def deployed(workspace, toys, prefect_api, monkeypatch):
    """Deploy the workspace's models to the shared server, under names of this test alone."""
    monkeypatch.syspath_prepend(toys)
    here = Settings(workspace=workspace.workspace, prefect_api=prefect_api)
    yield lambda: deploy.deploy(here, entrypoints=TOYS)
    for path in workspace.models.glob("*.yaml"):
        path.unlink()
    deploy.deploy(here, entrypoints=TOYS)


def found(url, kind, model):
    listed = call(f"{url}/{kind}/filter", {})
    return sorted((item for item in listed if model in item["name"]), key=lambda item: str(item.get("entrypoint")))


def runs(url, **filters):
    return call(f"{url}/flow_runs/filter", filters)


def until(look, seconds=30):
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return seen


def test_a_model_file_becomes_two_deployments_and_says_when_they_run(workspace, add_model):
    add_model("bike", "owner: ada", "monitor: {every: 1h}", "retrain: {schedule: '0 3 * * 1'}")
    assert [(item.name, item.trigger) for item in deploy.plan(workspace)] == [
        ("train/bike", "at 0 3 * * 1 (UTC), when the monitor wants it"),
        ("monitor/bike", "every 1h"),
    ]
    assert deploy.plan(workspace)[0].tags == ("everfit", "model:bike", "owner:ada")
    add_model("bike", PREDICT.format("30 4 * * *"))
    scored = deploy.plan(workspace)[2]
    assert (scored.name, scored.trigger) == ("predict/bike", "at 30 4 * * * (UTC)")


def test_the_mistakes_of_all_model_files_are_told_at_once(workspace, add_model):
    add_model("bike", "monitr: {}")
    add_model("churn", "retrian: {}")
    with pytest.raises(SpecError) as raised:
        deploy.plan(workspace)
    assert "monitor" in str(raised.value)
    assert "retrain" in str(raised.value)


@pytest.mark.parametrize(
    ("key", "line"),
    [("retrain", "retrain: {schedule: 0 3 * * weekends}"), ("predict", PREDICT.format("0 3 * * weekends"))],
)
def test_a_schedule_that_is_no_cron_line_names_the_file(add_model, deployed, key, line):
    add_model("bike", line)
    with pytest.raises(SpecError, match=rf"bike\.yaml: {key}.schedule: '0 3 \* \* weekends'"):
        deployed()


def test_helpers_of_a_search_are_deployed_to_the_work_pool_that_the_settings_name(workspace, deployed, prefect_api):
    more = {"prefect_api": prefect_api, "search_on": "pool:searchers", "search_storage": "sqlite://"}
    here = Settings(workspace=workspace.workspace, **more)
    with pytest.raises(InputError, match="cannot be deployed to the work pool 'searchers'"):
        deploy.deploy(here, entrypoints=TOYS)
    call(f"{prefect_api}/work_pools/", {"name": "searchers", "type": "process"})
    deploy.deploy(here, entrypoints=TOYS)
    (made,) = (item for item in found(prefect_api, "deployments", "search") if item["name"] == "search")
    assert (made["entrypoint"], made["work_pool_name"]) == ("flows.along.along", "searchers")


def test_deploying_twice_changes_nothing_and_a_changed_file_changes_what_follows_from_it(
    add_model, deployed, prefect_api
):
    name = f"m{uuid4().hex[:8]}"
    add_model(name, "monitor: {every: 1h}")
    deployed()
    first = found(prefect_api, "deployments", name), found(prefect_api, "automations", name)
    deployed()
    again = found(prefect_api, "deployments", name), found(prefect_api, "automations", name)
    for side in (0, 1):
        assert [(x["id"], x["updated"]) for x in first[side]] == [(x["id"], x["updated"]) for x in again[side]]
    monitor, train = again[0]
    assert (monitor["schedules"][0]["schedule"]["interval"], train["schedules"]) == (3600, [])
    assert train["global_concurrency_limit"]["limit"] == 1
    assert {item["concurrency_options"]["collision_strategy"] for item in (monitor, train)} == {"ENQUEUE"}
    assert (train["entrypoint"], train["parameters"]) == ("toyflows.train", {"model": name, "reason": "on schedule"})
    add_model(name, PREDICT.format("30 4 * * *"))
    deployed()
    assert found(prefect_api, "deployments", name)[0]["schedules"] == []
    assert found(prefect_api, "deployments", name)[0]["id"] == monitor["id"]
    predict = found(prefect_api, "deployments", name)[1]
    assert (predict["schedules"][0]["schedule"]["cron"], predict["parameters"]) == ("30 4 * * *", {"model": name})
    add_model(name)
    deployed()
    assert len(found(prefect_api, "deployments", name)) == 2


def test_a_model_file_that_is_gone_takes_its_deployments_along_and_no_others(add_model, deployed, prefect_api):
    gone, stays = f"m{uuid4().hex[:8]}", f"m{uuid4().hex[:8]}"
    path = add_model(gone)
    add_model(stays)
    deployed()
    path.unlink()
    deployed()
    for kind, count in (("deployments", 2), ("automations", 1)):
        assert found(prefect_api, kind, gone) == []
        assert len(found(prefect_api, kind, stays)) == count


def test_another_workspaces_deployments_are_left_alone(add_model, deployed, prefect_api, tmp_path_factory, toys):
    name = f"m{uuid4().hex[:8]}"
    add_model(name)
    deployed()
    other = Settings(workspace=tmp_path_factory.mktemp("other"), prefect_api=prefect_api)
    other.models.mkdir(parents=True)
    deploy.deploy(other, entrypoints=TOYS)
    assert len(found(prefect_api, "deployments", name)) == 2


@pytest.mark.parametrize(("trouble", "asked"), [(Unavailable("it is away"), 2), (SpecError("it has a typo"), 1)])
def test_a_changed_file_that_cannot_be_deployed_ends_nothing(workspace, monkeypatch, capsys, trouble, asked):
    stamps, answers = iter([{}, *[{"bike": 1.0}] * 3]), iter([trouble])

    async def redeploy(*_):
        for answer in answers:
            raise answer
        runner._say("deployed")
        return []

    monkeypatch.setattr(runner, "LOOK", 0)
    monkeypatch.setattr(runner, "_stamps", lambda _: next(stamps))
    monkeypatch.setattr(runner, "_redeploy", redeploy)
    with pytest.raises(RuntimeError, match="StopIteration"):  # there is nothing more to look at
        asyncio.run(runner._look_after(workspace, "http://127.0.0.1:9/api", None, TOYS, []))
    said = capsys.readouterr().out
    assert (str(trouble) in said, said.count("\n")) == (True, asked)


def answered(status):
    """Return how Prefect's client and a plain request raise that a server answered."""
    plain = ConnectionError(f"it answers {status}")
    plain.__cause__ = HTTPError("http://x", status, "no", {}, None)
    request, response = httpx.Request("GET", "http://x"), httpx.Response(status)
    return PrefectHTTPStatusError(f"it said {status}", request=request, response=response), plain


@pytest.mark.parametrize(("trouble", "transient"), [
    (httpx.ConnectError("no route"), True),
    (ConnectionError("timed out"), True),
    *[(trouble, True) for trouble in answered(500)],
    *[(trouble, False) for trouble in answered(422)],
])  # fmt: skip
def test_only_a_server_that_fails_is_asked_again_and_none_that_refuses(workspace, monkeypatch, trouble, transient):
    def fail(*_):
        raise trouble

    monkeypatch.setattr(deploy, "apply", fail)
    with pytest.raises(EverfitError, match=str(trouble)) as raised:
        runner._apply(workspace, "http://127.0.0.1:9/api", (), TOYS)
    assert (raised.value.transient, "asked again" in str(raised.value)) == (transient, transient)


def test_what_is_deleted_while_it_is_deployed_is_deployed_again(workspace, monkeypatch):
    def fail(*_):
        raise ObjectNotFound(answered(404)[0])

    monkeypatch.setattr(deploy, "apply", fail)
    with pytest.raises(Unavailable, match="Somebody deleted"):
        runner._apply(workspace, "http://127.0.0.1:9/api", (), TOYS)


@pytest.mark.parametrize(
    ("payload", "reason", "decision"),
    [({"reason": "five columns moved", "decision": "d-1"}, "five columns moved", "d-1"),
     ({}, "the monitor wanted it", "")],
)  # fmt: skip
def test_a_wanted_retraining_schedules_the_training_with_its_reason(
    add_model, deployed, prefect_api, payload, reason, decision
):
    name = f"m{uuid4().hex[:8]}"
    add_model(name)
    deployed()
    event = events._event(events.WANTED, name, "d-1", payload)
    time.sleep(1)  # the server's triggers learn of a new automation by a message
    call(f"{prefect_api}/events", [event])
    call(f"{prefect_api}/events", [event])
    flow = {"flow_runs": {"tags": {"all_": [f"model:{name}"]}}}
    started = until(lambda: runs(prefect_api, **flow))
    assert started[0]["parameters"] == {"model": name, "reason": reason, "decision": decision}
    time.sleep(2)
    assert len(runs(prefect_api, **flow)) == 1


def test_nothing_is_told_to_a_server_where_nobody_listens(add_model, deployed, prefect_api, workspace):
    name = f"m{uuid4().hex[:8]}"
    add_model(name)
    deployed()
    here = Settings(workspace=workspace.workspace, prefect_api=prefect_api)
    assert not events.tell_wanted(here, name, "d-1", "because")
    call(f"{prefect_api}/deployments/get_scheduled_flow_runs",
         {"deployment_ids": [found(prefect_api, "deployments", name)[1]["id"]]})  # fmt: skip
    assert until(lambda: events.tell_wanted(here, name, "d-1", "because"), 10)
    assert not events.tell_wanted(workspace, name, "d-1", "because")


def test_an_interval_really_makes_runs_and_those_that_were_missed_are_one(add_model, deployed, prefect_api):
    name = f"m{uuid4().hex[:8]}"
    add_model(name, "monitor: {every: 2s}")
    deployed()
    scheduled = {"flow_runs": {"tags": {"all_": [f"model:{name}"]}}}
    assert until(lambda: runs(prefect_api, **scheduled), 90)
    deployments = [item["id"] for item in found(prefect_api, "deployments", name)]
    by_hand = call(f"{prefect_api}/deployments/{deployments[0]}/create_flow_run", {})["id"]
    assert until(lambda: drop_missed(prefect_api, deployments), 30)
    assert drop_missed(prefect_api, deployments) <= 1
    assert call(f"{prefect_api}/flow_runs/{by_hand}")["state"]["type"] == "SCHEDULED"


def test_the_last_run_of_the_calendar_stays_when_somebody_asked_for_a_later_one(monkeypatch):
    late = [
        {"id": id_, "deployment_id": "d", "auto_scheduled": id_ != "by hand"} for id_ in ("by hand", "last", "missed")
    ]
    deleted = []

    def call(address, body):
        if address.endswith("bulk_delete"):
            deleted.extend(body["flow_runs"]["id"]["any_"])
        return late if address.endswith("filter") else {"deleted": deleted}

    monkeypatch.setattr(runner, "call", call)
    assert (drop_missed("http://server/api", ["d"]), deleted) == (1, ["missed"])


def test_an_automation_whose_action_failed_is_said_aloud(prefect_api, capsys):
    since = datetime.now(UTC)
    failed = events._event("prefect.automation.action.failed", "x", uuid4().hex, {"reason": "no such deployment"})
    call(f"{prefect_api}/events", [failed])
    told = []

    def look():
        report_failures(prefect_api, since)
        told.append(capsys.readouterr().out)
        return told[-1]

    assert until(look, 15)
    assert "automation failed: x: no such deployment" in told[-1]


def test_a_run_whose_heartbeat_stops_is_marked_as_crashed_unless_it_ended_under_whatever_name(monkeypatch, prefect_api):
    from prefect import flow
    from prefect.client.orchestration import get_client

    @flow(name="train")
    def train():
        return None

    async def begin_two():
        async with get_client() as client:
            monkeypatch.setattr(automations, "LOST", timedelta(seconds=10))
            await automations.apply(client, [automations.lost_runs()], owner="everfit:test")
            await asyncio.sleep(1)
            return [await client.create_flow_run(train) for _ in range(2)]

    def emit(run, what):
        flow_of = {"prefect.resource.role": "flow", "prefect.resource.name": "train",
                   "prefect.resource.id": f"prefect.flow.{run.flow_id}"}  # fmt: skip
        about = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
        event = events._event(f"prefect.flow-run.{what}", "train", str(run.id), {})
        call(f"{prefect_api}/events", [event | {"resource": about, "related": [flow_of]}])

    def state(run):
        return call(f"{prefect_api}/flow_runs/{run.id}")["state"]

    lost, ended = asyncio.run(begin_two())
    for run in (lost, ended):
        call(f"{prefect_api}/flow_runs/{run.id}/set_state", {"state": {"type": "RUNNING"}, "force": True})
        emit(run, "heartbeat")
    time.sleep(3)  # events that come together may be judged in any order
    emit(ended, "Promoted")
    assert until(lambda: state(lost)["type"] == "CRASHED", 60)
    assert "no heartbeat" in state(lost)["message"]
    assert state(ended)["type"] == "RUNNING"
