import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from urllib.request import urlopen

import pytest

from everfit.errors import InputError, Unavailable
from flows import events, server, up
from flows.parts import DEATHS, Part
from flows.ports import answers
from flows.talk import call
from tasks import addresses

SCRIPT = """
import sys
from everfit.errors import EverfitError
from everfit.settings import Settings
from flows.up import up
toys = {"train": "toyflows.train", "monitor": "toyflows.monitor"}
try:
    up(Settings(workspace=sys.argv[1], prefect_api=""), entrypoints=toys)
except EverfitError as error:
    print(error)
    sys.exit(error.exit_code)
"""
SERVER, RUNNER = "create_app", "flows.runner"


def until(look, seconds=60):
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seen, "it did not happen in time"
    return seen


def family(pid):
    """All living descendants of a process, with their commands."""
    listed = subprocess.run(["ps", "-ewwo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    found, front = {}, [pid]
    while front:
        parent = front.pop()
        for child, of, command in rows:
            if int(of) == parent:
                found[int(child)] = command
                front.append(int(child))
    return found


def kill(everything, what):
    """Kill one part of `everfit up`, not the leash that it is on."""
    (pid,) = [p for p, command in family(everything.pid).items() if what in command and "flows.leash" not in command]
    os.kill(pid, signal.SIGKILL)
    return pid


def gone(before):
    """Whether none of these processes lives, however it was adopted."""
    return {pid for pid, command in before.items() if family(1).get(pid) == command} == set()


@pytest.fixture
def everything(workspace, toys, add_model, tmp_path):
    """Run `everfit up` on a workspace with two models, as a user would."""
    add_model("bike")
    add_model("churn")
    environment = os.environ | {"PYTHONPATH": str(toys), "EVERFIT_MLFLOW_URI": "http://mlflow.example"}
    environment |= {"PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2"}
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=out, stderr=out, env=environment, cwd=tmp_path
        )
    try:
        until(lambda: "Ctrl-C" in (tmp_path / "out.txt").read_text() or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "out.txt").read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def test_everything_runs_reacts_heals_and_ends_without_a_trace(everything, workspace, tmp_path):
    page = addresses.report_link(workspace, workspace.reports("bike") / "drift.html")
    (workspace.reports("bike") / "drift.html").write_text("it moved")
    with urlopen(page) as answer:
        assert answer.read() == b"it moved"
    with pytest.raises(InputError, match="already runs in this workspace: prefect at http://127"):
        up.up(workspace)
    until(lambda: events.tell_wanted(workspace, "bike", "d-1", "five columns moved"))
    emitted = time.time()
    watch = call(f"{server.running(workspace)}/deployments/name/monitor/bike")["id"]
    for _ in range(2):
        call(f"{server.running(workspace)}/deployments/{watch}/create_flow_run", {})
    model, reason, decision, at = until(lambda: (tmp_path / "trained.txt").exists() and _line(tmp_path)).split("|")
    assert (model, reason, decision) == ("bike", "five columns moved", "d-1")
    assert float(at) - emitted < 30

    monitored = tmp_path / "monitored.txt"
    until(lambda: monitored.exists() and monitored.read_text() == "bike\nbike\n")  # the second waited for the first

    kill(everything, RUNNER)
    until(lambda: "runner had ended and was started again" in (tmp_path / "out.txt").read_text())
    until(lambda: events.tell_wanted(workspace, "churn", "d-2", "slow"))
    until(lambda: "|slow|d-2|" in (tmp_path / "trained.txt").read_text())

    kill(everything, SERVER)  # the slow run goes on, and the same runner hears of what comes next
    until(lambda: "Prefect server had ended and was started again" in (tmp_path / "out.txt").read_text())
    until(lambda: events.tell_wanted(workspace, "bike", "d-3", "after the server's death"))
    until(lambda: "|after the server's death|d-3|" in (tmp_path / "trained.txt").read_text())

    before = family(everything.pid)
    everything.terminate()
    assert everything.wait(90) == 0
    assert (tmp_path / "out.txt").read_text().count("was started again") == 2
    url = re.search(r"prefect +(http://\S+)", (tmp_path / "out.txt").read_text())[1]
    assert addresses.read(workspace) == {}
    assert not answers(int(url.split(":")[2]))
    assert gone(before)
    with server.api(workspace) as again:
        told = call(f"{again}/flow_runs/filter", {"flow_runs": {"name": {"any_": ["train churn: slow"]}}})
        watched = call(f"{again}/flow_runs/filter", {"flow_runs": {"name": {"any_": ["monitor bike"]}}})
    assert [run["state"]["type"] for run in told] == ["CANCELLED"]
    assert "AwaitingConcurrencySlot" in _states(workspace, watched)


def test_a_server_that_keeps_dying_ends_everything_with_six_and_leaves_nothing_behind(everything, workspace, tmp_path):
    before = family(everything.pid)
    killed = set()
    while everything.poll() is None and len(killed) < DEATHS:
        until(lambda: any(SERVER in command for pid, command in family(everything.pid).items() if pid not in killed))
        killed.add(kill(everything, SERVER))
        time.sleep(1)
    assert everything.wait(90) == 6
    assert f"the Prefect server ended {DEATHS} times, the last time with exit code 137" in " ".join(
        (tmp_path / "out.txt").read_text().split()
    )
    assert gone(before)
    assert addresses.read(workspace) == {}


def _states(settings, runs):
    """Every state that these runs were in."""
    with closing(sqlite3.connect(settings.home / "prefect" / "prefect.db")) as database:
        return {name for run in runs for (name,) in database.execute(
            "select name from flow_run_state where flow_run_id = ?", [run["id"]])}  # fmt: skip


def _line(folder):
    return (folder / "trained.txt").read_text().strip()


def test_a_part_that_keeps_dying_ends_everything_and_shows_its_last_words(tmp_path):
    last_words = [sys.executable, "-c", "print('no disk left'); raise SystemExit(3)"]
    part = Part("mlflow", tmp_path / "log", lambda _: last_words, dict(os.environ), tmp_path)
    part.start()
    with pytest.raises(Unavailable, match="mlflow ended 3 times, the last time with exit code 3") as raised:
        until(lambda: (part.look(), False)[1], 20)
    part.stop()
    assert raised.value.exit_code == 6
    assert "no disk left" in str(raised.value)


def test_links_lead_to_the_file_while_nothing_is_up(workspace):
    page = workspace.reports("bike") / "drift.html"
    assert addresses.report_link(workspace, page) == str(page)
    assert addresses.mlflow_link(workspace, "1", "abc") == ""


def test_what_a_killed_up_left_behind_is_not_believed(workspace):
    workspace.folder()
    (workspace.home / "up.json").write_text('{"reports": "http://127.0.0.1:1"}')
    assert addresses.read(workspace) == {}
