import os
import re
import signal
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest

from everfit.errors import InputError, Unavailable
from flows import events, server, up
from flows.parts import Part
from flows.ports import answers
from flows.talk import call
from tasks import addresses

SCRIPT = """
import sys
from everfit.settings import Settings
from flows.up import up
toys = {"train": "toyflows.train", "monitor": "toyflows.monitor"}
up(Settings(workspace=sys.argv[1], prefect_api=""), entrypoints=toys)
"""


def until(look, seconds=60):
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seen, "it did not happen in time"
    return seen


def family(pid):
    """All living descendants of a process, with their commands."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    found, front = {}, [pid]
    while front:
        parent = front.pop()
        for child, of, command in rows:
            if int(of) == parent:
                found[int(child)] = command
                front.append(int(child))
    return found


@pytest.fixture
def everything(workspace, toys, add_model, tmp_path):
    """Run `everfit up` on a workspace with two models, as a user would."""
    add_model("bike")
    add_model("churn")
    environment = os.environ | {"PYTHONPATH": str(toys), "EVERFIT_MLFLOW_URI": "http://mlflow.example"}
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
    until(lambda: events.confirm_drift(workspace, "bike", "d-1", "five columns moved"))
    emitted = time.time()
    model, reason, decision, at = until(lambda: (tmp_path / "trained.txt").exists() and _line(tmp_path)).split("|")
    assert (model, reason, decision) == ("bike", "five columns moved", "d-1")
    assert float(at) - emitted < 30

    runner = next(pid for pid, command in family(everything.pid).items() if "flows.leash" not in command
                  and "flows.runner" in command)  # fmt: skip
    os.kill(runner, signal.SIGKILL)
    until(lambda: "runner had ended and was started again" in (tmp_path / "out.txt").read_text())
    until(lambda: events.confirm_drift(workspace, "churn", "d-2", "slow"))
    until(lambda: "|slow|d-2|" in (tmp_path / "trained.txt").read_text())

    before = family(everything.pid)
    everything.terminate()
    assert everything.wait(90) == 0
    url = re.search(r"prefect +(http://\S+)", (tmp_path / "out.txt").read_text())[1]
    assert addresses.read(workspace) == {}
    assert not answers(int(url.split(":")[2]))
    assert {pid: command for pid, command in before.items() if family(1).get(pid) == command} == {}
    with server.api(workspace) as again:
        told = call(f"{again}/flow_runs/filter", {"flow_runs": {"name": {"any_": ["train churn: slow"]}}})
    assert [run["state"]["type"] for run in told] == ["CANCELLED"]


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
