"""One decision, exactly one retraining: when the event is lost, comes twice, or the process dies in between."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from everfit import registry, scaffold
from everfit.errors import MonthSpent, SourceError
from everfit.lake import Lake
from everfit.ledger import Holder, Ledger
from everfit.settings import Settings
from everfit.simulation import rentals
from everfit.spec import load_spec
from flows.talk import call
from tasks.ingest import secret

MODEL = "rentals"
# A monitor run that is killed right after it has written its decision down.
KILLED = """
import os, signal
from flows import monitor
monitor.start_wanted = lambda _: os.kill(os.getpid(), signal.SIGKILL)
monitor.monitor("rentals", "week-4.parquet")
"""


class Died(BaseException):
    """What ends a run as nothing that it could catch does."""


@pytest.fixture(scope="module")
def here(moved_to: Callable[[str], Settings], prefect_api: str) -> SimpleNamespace:
    """A workspace with a champion, found among very few candidates."""
    from flows.train import train

    settings = moved_to("once")
    rentals(0, 52).to_parquet("history.parquet", index=False)
    scaffold.create(settings, MODEL, "history.parquet", "rentals", time="hour", budget="4m", force=False)
    path = settings.models / f"{MODEL}.yaml"
    text = path.read_text().replace("{holdout: 0.2}", "{holdout: 2d}")
    path.write_text(text.replace("{budget: 4m}", "{budget: 4m, trials: 1, estimators: [linear]}"))
    train(MODEL)
    return SimpleNamespace(settings=settings, ledger=Ledger.of(settings), api=prefect_api)


def kinds(ledger: Ledger, decision: str) -> list[str]:
    """Return what the ledger holds about one retraining, in order."""
    about = [entry for entry in ledger.entries(MODEL) if entry.kind.startswith("retrain_")]
    return [entry.kind for entry in about if entry.subject.partition("#")[0] == decision]


def test_a_decision_whose_event_was_lost_is_made_good_by_the_next_monitor_run(here):
    from flows.monitor import monitor

    here.ledger.once("retrain_wanted", MODEL, "lost", actor="a run that died", reason="the world changed")
    rentals(52, 7).to_parquet("week-1.parquet", index=False)
    result = monitor(MODEL, "week-1.parquet")
    assert result["retraining"]["decision"] == "lost"
    assert kinds(here.ledger, "lost") == ["retrain_wanted", "retrain_started", "retrain_finished"]


def test_a_run_whose_end_was_written_down_and_whose_answer_was_lost_still_tells_its_result(here, monkeypatch):
    from prefect.client.orchestration import SyncPrefectClient

    from flows.monitor import monitor

    ask = SyncPrefectClient.request

    def ask_again(self: Any, method: Any, path: Any, **more: Any) -> Any:  # as it does when no answer comes
        answer = ask(self, method, path, **more)
        ended = path.endswith("set_state") and more["json"]["state"]["type"] == "COMPLETED"
        return ask(self, method, path, **more) if ended else answer

    monkeypatch.setattr(SyncPrefectClient, "request", ask_again)
    rentals(52, 7).to_parquet("week-1.parquet", index=False)
    assert monitor(MODEL, "week-1.parquet")["reasons"]


def test_a_run_that_is_started_twice_for_one_decision_trains_once(here):
    from flows.monitor import monitor
    from flows.train import train

    rentals(59, 7).to_parquet("week-2.parquet", index=False)
    monitor(MODEL, "week-2.parquet")
    here.ledger.once("retrain_wanted", MODEL, "doubled", actor="a run", reason="the world changed")
    versions = len(here.ledger.entries(MODEL, kinds=["registered"]))
    assert train(MODEL, reason="by event", decision="doubled") is not None
    assert train(MODEL, reason="by the same event again", decision="doubled") is None
    assert len(here.ledger.entries(MODEL, kinds=["registered"])) == versions + 1
    assert kinds(here.ledger, "doubled") == ["retrain_wanted", "retrain_started", "retrain_finished"]


def test_drift_that_brings_nothing_new_to_learn_from_trains_nothing(here):
    from flows.train import train

    newest = max(here.ledger.registered(MODEL))
    if here.ledger.champion(MODEL) != newest:
        registry.promote_by_hand(here.settings, MODEL, newest, reason="it knows all rows that are there")
    here.ledger.once("retrain_wanted", MODEL, "same rows", actor="a run", reason="the champion is stale")
    result = train(MODEL, reason="drift", decision="same rows")
    assert (result["state"], result["version"], result["champion"]) == ("Champion kept", None, newest)
    assert result["reasons"] == [f"nothing new to learn from since v{newest}"]
    assert "search" not in result["seconds"]
    assert max(here.ledger.registered(MODEL)) == here.ledger.champion(MODEL) == newest
    assert kinds(here.ledger, "same rows") == ["retrain_wanted", "retrain_started", "retrain_finished"]
    said = here.ledger.entries(MODEL, kinds=["retrain_finished"])[-1].summary
    assert said == f"search finished: nothing new to learn from since v{newest}"


def test_a_file_that_broke_since_does_not_end_what_drift_has_asked_for(here):
    from flows.train import train

    here.ledger.once("retrain_wanted", MODEL, "beside a fault", actor="a run", reason="the world changed")
    whole = Path("history.parquet").read_bytes()
    rentals(0, 52).drop(columns="temperature").to_parquet("history.parquet", index=False)
    result = train(MODEL, reason="drift", decision="beside a fault")
    Path("history.parquet").write_bytes(whole)
    assert result["state"] in ("Promoted", "Champion kept")
    assert kinds(here.ledger, "beside a fault") == ["retrain_wanted", "retrain_started", "retrain_finished"]
    assert "temperature removed" in here.ledger.entries(MODEL, kinds=["refused_batch"])[-1].reason


def test_a_retraining_that_was_given_up_is_not_told_as_started(here):
    from prefect import flow

    from flows.retrain import start_wanted

    here.ledger.once("retrain_wanted", MODEL, "deadly", actor="a run", reason="the world changed")
    gone = Holder(socket.gethostname(), os.getpid(), "earlier")
    assert all(here.ledger.claim(MODEL, "deadly", actor="a run that died", holder=gone) for _ in range(3))
    (told,) = flow(lambda: start_wanted(load_spec(MODEL, here.settings.models)), name="a monitor run")()
    assert (told["decision"], told["started"]) == ("deadly", "")
    assert "no retraining was started for decision deadly" in told["sentence"]
    assert kinds(here.ledger, "deadly")[-1] == "retrain_failed"
    assert here.ledger.wanted(MODEL) == []


def test_a_secret_that_prefect_does_not_have_is_a_mistake_of_the_model_file(here):
    with pytest.raises(SourceError, match="Prefect has no Secret block 'nowhere'"):
        secret("nowhere")


def test_a_decision_that_nobody_asked_for_trains_nothing(here):
    from flows.train import train

    assert train(MODEL, reason="a forged event", decision="never-heard-of") is None


def test_a_training_that_died_after_it_was_promoted_is_settled_and_not_done_again(here):
    from flows.train import train

    here.ledger.once("retrain_wanted", MODEL, "half-way", actor="a run", reason="the world changed")
    champion = here.ledger.champion(MODEL)
    here.ledger.swap_champion(
        MODEL, expected=champion, new=champion + 100, actor="a run that died", facts={"decision": "half-way"}
    )
    versions = len(here.ledger.entries(MODEL, kinds=["registered"]))
    assert train(MODEL, reason="again", decision="half-way") is None
    assert len(here.ledger.entries(MODEL, kinds=["registered"])) == versions
    assert kinds(here.ledger, "half-way") == ["retrain_wanted", "retrain_finished"]
    here.ledger.swap_champion(MODEL, expected=champion + 100, new=champion, kind="rolled_back", actor="the test")


def die(*_: Any) -> None:
    raise Died


def test_a_process_that_dies_before_ledger_or_event_has_its_retraining_done_once_by_the_next_run(here, monkeypatch):
    from flows.monitor import monitor

    rentals(73, 7).to_parquet("week-4.parquet", index=False)
    path = here.settings.models / f"{MODEL}.yaml"
    path.write_text(path.read_text().replace("{cooldown: 1d, max_per_week: 3}", "{cooldown: 1s, max_per_week: 30}"))
    with monkeypatch.context() as patch:
        patch.setattr("flows.monitor.decide", die)
        with pytest.raises(Died):
            monitor(MODEL, "week-4.parquet")
    assert here.ledger.wanted(MODEL) == []
    env = os.environ | {"PREFECT_API_URL": here.api}
    died = subprocess.run([sys.executable, "-c", KILLED], env=env, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    (wanted,) = here.ledger.wanted(MODEL)
    assert [b.origin for b in Lake(here.settings).batches(MODEL)].count("week-4.parquet") == 1
    result = monitor(MODEL, "week-4.parquet")
    assert (result["decision"], result["retraining"]["decision"]) == (wanted.subject, wanted.subject)
    again = monitor(MODEL, "week-4.parquet")
    assert again["retraining"] is None
    assert kinds(here.ledger, wanted.subject) == ["retrain_wanted", "retrain_started", "retrain_finished"]
    assert here.ledger.verify().ok


def test_a_retraining_whose_run_ended_before_its_claim_is_started_again_by_each_later_run(here, monkeypatch):
    from prefect import flow

    from flows.retrain import start_wanted

    other = "rentals-elsewhere"  # a deployment of the shared server would listen to other tests' model of the same name
    monkeypatch.setenv("EVERFIT_PREFECT_API", here.api)
    trains = call(f"{here.api}/flows/", {"name": "train"})["id"]
    deployment = call(f"{here.api}/deployments/", {"name": other, "flow_id": trains})["id"]
    spec = load_spec(MODEL, here.settings.models).model_copy(update={"name": other})
    asked = datetime.now(UTC) - timedelta(minutes=5)
    here.ledger.record("retrain_wanted", other, subject="cancelled", actor="a run", reason="it moved", at=asked)
    ids = []
    for _ in range(2):
        call(f"{here.api}/deployments/get_scheduled_flow_runs", {"deployment_ids": [deployment]})  # as a runner does
        (started,) = flow(lambda: start_wanted(spec), name="a monitor run")()
        assert started == {"decision": "cancelled", "started": "by deployment"}
        runs = call(f"{here.api}/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})
        (new,) = [run for run in runs if run["id"] not in ids]
        assert new["state_type"] == "SCHEDULED"
        call(f"{here.api}/flow_runs/{new['id']}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
        ids.append(new["id"])
    here.ledger.finish(other, "cancelled", outcome="failed", reason="the test is over")


def test_when_the_month_is_spent_a_retraining_waits_and_a_training_by_hand_is_refused(here):
    from flows.monitor import monitor
    from flows.train import train

    path = here.settings.models / f"{MODEL}.yaml"
    text = path.read_text()
    path.write_text(text + "spending: {cpu_hours_per_month: 0.0001}\n")
    here.ledger.once("retrain_wanted", MODEL, "dear", actor="a run", reason="the world changed")
    with pytest.raises(MonthSpent):
        train(MODEL, reason="by event", decision="dear")
    rentals(66, 1).to_parquet("day.parquet", index=False)
    waiting = monitor(MODEL, "day.parquet")["retraining"]
    assert (waiting["decision"], waiting["started"]) == ("dear", "")
    assert waiting["sentence"].startswith(f"it waits: {MODEL}: what its searches may cost in a month is spent")
    assert kinds(here.ledger, "dear") == ["retrain_wanted", "retrain_started", "retrain_released"]
    with pytest.raises(MonthSpent):
        train(MODEL)
    assert here.ledger.entries(MODEL)[-1].summary.startswith(f"training failed: {MODEL}: what its searches may cost")
    path.write_text(text)
    here.ledger.finish(MODEL, "dear", outcome="failed", reason="the test is over")
