import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import pytest

from everfit.errors import Unavailable
from everfit.settings import Settings
from flows.ports import answers, listen
from flows.server import Server, api, connected, log_of, running
from flows.talk import call, drain

KILLED = """
import sys, time
from everfit.settings import Settings
from flows.server import api
server = api(Settings(workspace=sys.argv[1], prefect_api=""))
print(server.url, flush=True)
server.wait()
print("up", flush=True)
time.sleep(100)
"""

TOGETHER = """
import sys
from everfit.settings import Settings
from flows.server import api
server = api(Settings(workspace=sys.argv[1], prefect_api=""))
with server as url:
    print(url, server.process is not None, flush=True)
"""


def port_of(url: str) -> int:
    return int(url.split(":")[2].split("/")[0])


def test_one_server_serves_all_commands_of_a_workspace_keeps_every_record_and_ends_with_the_last(workspace):
    from prefect import flow, task

    @task
    def double(n: int) -> int:
        return 2 * n

    @flow
    def doubled() -> int:
        return sum(double(n) for n in range(30))

    with ExitStack() as held:
        first, second = api(workspace), api(workspace)
        held.callback(second.stop)
        assert (first.url, second.process) == (second.url, None)
        with first:
            second.wait()
            assert doubled() == 870
            known = call(f"{first.url}/flows/filter", {})[0]["id"]
            call(f"{first.url}/flow_runs/", {"flow_id": known, "name": "lost", "state": {"type": "RUNNING"}})
        assert answers(port_of(second.url))
    assert first.process is not None
    first.process.wait(30)
    assert not answers(port_of(second.url))
    assert running(workspace) == ""
    with closing(sqlite3.connect(workspace.home / "prefect" / "prefect.db")) as database:
        told = dict(database.execute("select state_type, count(*) from task_run group by 1").fetchall())
    assert told == {"COMPLETED": 30}
    with api(workspace) as url:
        lost = call(f"{url}/flow_runs/filter", {"flow_runs": {"name": {"any_": ["lost"]}}})[0]
    assert lost["state"]["type"] == "CRASHED"
    assert "was killed" in lost["state"]["message"]


@pytest.mark.parametrize(("state", "waits"), [("CRASHED", False), ("COMPLETED", True)])
def test_draining_waits_for_tasks_of_runs_that_ended_and_not_for_those_that_nobody_will_ever_end(
    prefect_api, state, waits
):
    flow = call(f"{prefect_api}/flows/", {"name": "drained"})["id"]
    run = call(f"{prefect_api}/flow_runs/", {"flow_id": flow, "state": {"type": "RUNNING"}})["id"]
    began = datetime.now(UTC) - timedelta(seconds=5)
    task = {"flow_run_id": run, "task_key": "t", "dynamic_key": "0", "state": {"type": "RUNNING"}}
    task_id = call(f"{prefect_api}/task_runs/", task)["id"]
    call(f"{prefect_api}/flow_runs/{run}/set_state", {"state": {"type": state}, "force": True})
    assert drain(prefect_api, began, seconds=2) is not waits
    assert drain(prefect_api, datetime.now(UTC), seconds=2)
    call(f"{prefect_api}/task_runs/{task_id}/set_state", {"state": {"type": "COMPLETED"}, "force": True})
    assert drain(prefect_api, began, seconds=10)


def test_commands_that_start_at_the_same_moment_share_one_server(workspace):
    commands = [
        subprocess.Popen([sys.executable, "-c", TOGETHER, str(workspace.workspace)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = [command.communicate(timeout=120)[0].split() for command in commands]
    assert [command.returncode for command in commands] == [0, 0, 0]
    assert len({url for url, _ in told}) == 1
    assert sorted(owner for _, owner in told) == ["False", "False", "True"]
    assert not answers(port_of(told[0][0]))


def test_a_killed_command_takes_its_server_along(workspace):
    command = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(workspace.workspace)], stdout=subprocess.PIPE, text=True
    )
    url, up = command.stdout.readline().strip(), command.stdout.readline()
    assert up == "up\n"
    assert running(workspace) == url
    command.send_signal(signal.SIGKILL)
    command.wait()
    command.stdout.close()
    deadline = time.monotonic() + 30
    while answers(port_of(url)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not answers(port_of(url))


def test_a_configured_server_that_does_not_answer_is_named_within_seconds(tmp_path):
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9/api") as raised:
        api(Settings(workspace=tmp_path, prefect_api="http://127.0.0.1:9/api/"))
    assert time.monotonic() - started < 5
    assert raised.value.exit_code == 6
    assert not (tmp_path / ".everfit" / "prefect").exists()


@pytest.mark.parametrize("address", ["nonsense", "localhost:4200", "http://", "ftp://127.0.0.1:9"])
def test_an_address_that_is_none_is_told_like_a_server_that_is_down(tmp_path, address):
    with pytest.raises(Unavailable, match="cannot be reached"):
        api(Settings(workspace=tmp_path, prefect_api=address))


def test_a_configured_server_is_used_as_it_is(prefect_api, tmp_path):
    with api(Settings(workspace=tmp_path, prefect_api=prefect_api)) as url:
        assert url == prefect_api
    assert answers(port_of(prefect_api))


def test_a_server_that_does_not_start_says_what_it_said_last(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = Settings(workspace=tmp_path, prefect_api="")
    (settings.folder("prefect") / "prefect.db").write_text("this is no database, and long enough to be seen as none")
    with pytest.raises(Unavailable, match="did not start") as raised, api(settings):
        pass
    assert "not a database" in str(raised.value)
    assert str(settings.home / "logs" / "prefect-server.log") in raised.value.do


def test_a_server_that_does_not_start_on_a_full_disk_says_so_first(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = Settings(workspace=tmp_path, prefect_api="")
    server = Server(settings, "http://127.0.0.1:9/api")
    log_of(settings).write_text("ERROR | OSError: [Errno 28] No space left on device: 'ui'\n")
    with pytest.raises(Unavailable, match=rf"did not start: there is no room left for {settings.home}") as raised:
        server.wait()
    assert "Make room" in raised.value.do


def test_the_environment_is_as_before_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://before/api")
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    with connected(Settings(workspace=tmp_path), "http://during/api"):
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME

        assert os.environ["PREFECT_API_URL"] == PREFECT_API_URL.value() == "http://during/api"
        assert str(PREFECT_HOME.value()) == str(tmp_path / ".everfit" / "prefect")
    assert os.environ["PREFECT_API_URL"] == "http://before/api"
    assert "PREFECT_HOME" not in os.environ


def test_a_port_that_is_taken_means_the_next():
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with listen(port) as other:
            assert port < other.getsockname()[1] < port + 20
