"""What becomes of a training that drift wanted: a person who cancels it settles it, a runner that stops does not."""

import os
import subprocess
import sys

import pytest

from everfit.ledger import Ledger
from flows import server
from flows.talk import call
from tests.flows.test_up import until

TRAIN = '''
"""The real claim and a real step, around a training that takes long."""
import time
from prefect import flow
from everfit.settings import Settings
from everfit.spec import load_spec
from tasks.claim import claim
from tasks.steps import step

@step
def search(spec):
    time.sleep(300)

@flow(name="train", flow_run_name="train {model}")
def train(model: str, reason: str = "asked by hand", decision: str = "", data_version: int | None = None):
    spec = load_spec(model, Settings().models)
    with claim(spec, decision, reason, data_version):
        search(spec)
'''


@pytest.fixture
def runner(workspace, toys, add_model, tmp_path):
    """Run what the server schedules, beside a server of the same workspace."""
    add_model("bike")
    (tmp_path / "slowflows.py").write_text(TRAIN)
    command = [sys.executable, "-m", "flows.runner", "train=slowflows.train", "monitor=toyflows.monitor"]
    paths = [str(tmp_path), str(toys), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    with server.api(workspace), (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=out, stderr=out)
        try:
            until(lambda: "deployed" in (tmp_path / "out.txt").read_text() or process.poll() is not None)
            assert process.poll() is None, (tmp_path / "out.txt").read_text()
            yield process
        finally:
            process.kill()
            process.wait()


def started(url, ledger, decision):
    """Start the training for a decision; return its run once it is at work."""
    ledger.record("retrain_wanted", "bike", subject=decision, actor="a monitor run", reason="the loss rose")
    train = call(f"{url}/deployments/name/train/bike")["id"]
    run = call(f"{url}/deployments/{train}/create_flow_run", {"parameters": {"model": "bike", "decision": decision}})
    searching = {"flow_runs": {"id": {"any_": [run["id"]]}}, "task_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    until(lambda: call(f"{url}/task_runs/count", searching))
    return f"{url}/flow_runs/{run['id']}"


def told(ledger, decision):
    about = [entry for entry in ledger.entries("bike") if entry.subject == decision]
    return [entry.kind for entry in about], about[-1].reason


def test_a_person_settles_a_retraining_by_cancelling_it_and_a_runner_that_stops_leaves_it_wanted(runner, workspace):
    url, ledger = server.running(workspace), Ledger.of(workspace)
    run = started(url, ledger, "d-1")
    call(f"{run}/set_state", {"state": {"type": "CANCELLING"}})  # the button in the UI
    until(lambda: call(run)["state_type"] == "CANCELLED")
    assert told(ledger, "d-1") == (["retrain_wanted", "retrain_started", "retrain_failed"], "cancelled by a person")
    assert ledger.wanted("bike") == []

    run = started(url, ledger, "d-2")
    runner.terminate()
    assert runner.wait(60) == 0
    assert call(run)["state_type"] == "CANCELLED"
    assert told(ledger, "d-2")[0] == ["retrain_wanted", "retrain_started"]
    assert [entry.subject for entry in ledger.wanted("bike")] == ["d-2"]
