"""The whole loop on a simulated stream, with every real component: one workspace, lived through once."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from everfit import scaffold
from everfit.errors import EverfitError, ValidationStopped
from everfit.lake import Lake
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.simulation import rentals
from flows import cli

MODEL = "rentals"


@pytest.fixture(scope="module")
def story(moved_to: Callable[[str], Settings]) -> SimpleNamespace:
    """Train, predict, watch two good weeks, a faulty one and one after the change; keep what each said."""
    from flows.monitor import monitor
    from flows.predict import predict
    from flows.train import train

    settings = moved_to("loop")
    save(rentals(0, 52), "history")
    scaffold.create(settings, MODEL, "history.parquet", "rentals", time="hour", budget="4m", force=False)
    path = settings.models / f"{MODEL}.yaml"
    text = path.read_text().replace("{holdout: 0.2}", "{holdout: 2d}")
    path.write_text(text.replace("{budget: 4m}", "{budget: 4m, trials: 2, estimators: [lightgbm, linear]}"))
    told: dict[str, Any] = {"train": train(MODEL)}
    told["predict"] = predict(MODEL, save(rentals(52, 7).drop(columns="rentals"), "next"), "predicted.parquet")
    told["fine"] = monitor(MODEL, save(rentals(52, 7), "week-1"))
    told["again"] = monitor(MODEL, "week-1.parquet")
    told["rows"] = monitor(MODEL, save(rentals(59, 7, fault="rows"), "week-2"))
    with pytest.raises(ValidationStopped) as stop:
        monitor(MODEL, save(rentals(73, 7, fault="unit"), "fahrenheit"))
    told["fault"] = stop.value.result
    told["changed"] = monitor(MODEL, save(rentals(73, 7), "week-4"))
    told["after"] = monitor(MODEL, save(rentals(80, 7), "week-5"))
    return SimpleNamespace(settings=settings, told=told, ledger=Ledger.of(settings), lake=Lake(settings))


def save(frame: pd.DataFrame, name: str) -> str:
    """Write a batch and return its file name."""
    frame.to_parquet(f"{name}.parquet", index=False)
    return f"{name}.parquet"


def test_the_first_model_is_promoted_because_it_beats_the_dummy_and_nobody_was_there(story):
    trained = story.told["train"]
    assert (trained["version"], trained["promoted"], trained["champion"]) == (1, True, 1)
    assert trained["scores"]["challenger"]["high"] < trained["scores"]["dummy"]["low"]
    assert any("there is no champion" in reason for reason in trained["reasons"])


def test_a_training_says_what_it_learnt_from_and_how_long_each_step_took(story):
    trained = story.told["train"]
    assert trained["data"]["rows"] == 52 * 24 * 6
    assert list(trained["seconds"]) == [
        "ingest", "validate", "land", "build_features", "search", "evaluate", "register", "promote",
    ]  # fmt: skip
    json.dumps(trained, allow_nan=False)
    (kept,) = story.settings.home.glob("artifacts/**/artifacts/explanation.json")
    matters = [one["field"] for one in json.loads(kept.read_text())["importances"] if one["mean"] > 0]
    assert matters[0] in ("hour", "temperature")


def test_predictions_are_written_beside_their_rows_and_kept_in_the_lake(story):
    written = pd.read_parquet("predicted.parquet")
    assert story.told["predict"]["rows"] == len(written) == 7 * 24 * 6
    assert written["prediction"].notna().all()
    assert len(story.lake.predictions(MODEL)) == len(written)


@pytest.mark.parametrize("last", ["without a column", "nowhere to write"])
def test_a_prediction_that_fails_at_its_end_has_kept_nothing(story, last):
    from flows.predict import predict

    kept, week = len(story.lake.predictions(MODEL)), rentals(90, 7).drop(columns="rentals")
    Path("two").mkdir(exist_ok=True)
    save(week, "two/a")
    save(week.drop(columns="temperature") if last == "without a column" else week.head(9), "two/b")
    output = "said.parquet" if last == "without a column" else "history.parquet/said.parquet"
    with pytest.raises(EverfitError, match=r"do not have the columns|cannot be written"):
        predict(MODEL, "two", output)
    assert len(story.lake.predictions(MODEL)) == kept
    assert not Path("said.parquet").exists()


def test_a_week_like_the_others_starts_no_search(story):
    assert story.told["fine"]["action"] in ("none", "recalibrate")
    assert story.told["fine"]["verdict"] in ("fine", "watch")


def test_the_same_batch_is_judged_once(story):
    assert story.told["again"]["decision"] == story.told["fine"]["decision"]
    assert "week-1.parquet holds the same rows as batch " in story.told["again"]["reasons"][-1]
    assert sum(b.origin.endswith("week-1.parquet") for b in story.lake.batches(MODEL)) == 1


def test_broken_rows_go_to_quarantine_and_good_plus_quarantined_is_what_came(story):
    (week,) = [b for b in story.lake.batches(MODEL) if b.origin.endswith("week-2.parquet")]
    assert (week.good + week.quarantined, week.quarantined) == (7 * 24 * 6, 40)
    assert story.told["rows"]["action"] in ("none", "recalibrate", "refit")


def test_a_batch_in_another_unit_is_refused_whole_and_recorded_as_a_data_fault(story):
    fault = story.told["fault"]
    assert (fault["verdict"], fault["action"]) == ("data fault: repair the feed", "repair")
    assert any("temperature" in reason for reason in fault["reasons"])
    assert not any(b.origin.endswith("fahrenheit.parquet") for b in story.lake.batches(MODEL))
    assert len(story.lake.quarantine(MODEL)) >= 7 * 24 * 6


def test_after_the_change_refits_are_at_work_before_any_search(story):
    for week in ("changed", "after"):
        told = story.told[week]
        assert told["action"] in ("recalibrate", "refit")
        assert (told["retraining"]["how"], told["retraining"]["promoted"]) == (told["action"], True)
    assert story.told["changed"]["verdict"] == "retrain"
    assert any("mean loss" in reason for reason in story.told["changed"]["reasons"])


def test_every_decision_is_in_the_ledger_and_its_chain_holds(story):
    kinds = [entry.kind for entry in story.ledger.entries(MODEL)]
    wanted = story.ledger.entries(MODEL, kinds=["retrain_wanted"])
    assert kinds.count("retrain_started") == kinds.count("retrain_finished") == len(wanted)
    assert kinds.count("promoted") == kinds.count("registered") == 1 + len(wanted)
    assert {entry.facts["how"] for entry in wanted} <= {"recalibrate", "refit"}
    assert kinds.count("drift_judged") == 5
    assert story.ledger.verify().ok


def test_reports_are_where_the_verdict_says(story):
    page = Path(story.told["changed"]["report"])
    assert "retrain" in page.read_text().lower()
    assert list(page.parent.glob("data-*.html"))
    linked = re.findall(r'href="(evidently-[^"]+)"', page.read_text())
    assert [name.endswith("-performance.html") for name in linked] == [False, True]
    assert all((page.parent / name).is_file() for name in linked)


@pytest.fixture
def everfit(prefect_api: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in this process, on the server that the tests share; returns exit code and JSON."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setenv("EVERFIT_PREFECT_API", prefect_api)
        monkeypatch.setattr(sys, "argv", ["everfit", *words, "--json"])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0), json.loads(capsys.readouterr().out)

    return run


def test_a_data_fault_ends_the_command_with_three_and_its_verdict_as_json(story, everfit):
    code, verdict = everfit("monitor", MODEL, "--data", "fahrenheit.parquet")
    assert (code, verdict["action"]) == (3, "repair")


def test_a_refused_batch_lands_once_its_rule_is_mended(story, everfit):
    suite = story.settings.expectations / f"{MODEL}.yaml"
    rule = "  - type: expect_column_max_to_be_between\n    kwargs: {column: wind, max_value: 1}\n"
    right = suite.read_text()
    suite.write_text(right + rule)
    save(rentals(87, 7), "week-6")
    assert everfit("monitor", MODEL, "--data", "week-6.parquet")[0] == 3
    suite.write_text(right)
    code, verdict = everfit("monitor", MODEL, "--data", "week-6.parquet")
    assert (code, verdict["action"] == "repair") == (0, False)
    assert any(b.origin.endswith("week-6.parquet") for b in story.lake.batches(MODEL))


def test_a_training_learns_nothing_from_what_the_monitor_refused(story):
    from tasks.validate import known_faults

    assert len(known_faults(story.ledger, MODEL)) == 1


def test_a_batch_that_the_champion_was_made_from_is_no_news(story, everfit):
    code, verdict = everfit("monitor", MODEL, "--data", "week-4.parquet")
    nothing, again = verdict["reasons"]
    assert (code, verdict["verdict"], nothing) == (0, "fine", "nothing new came in")
    assert "week-4.parquet holds the same rows as batch " in again
    assert "which landed from " in again


def test_a_rollback_brings_the_version_before_a_refit_back_and_a_second_one_changes_nothing(story, everfit):
    now, before = story.ledger.champion(MODEL), story.ledger.previous(MODEL)
    code, first = everfit("rollback", MODEL)
    assert (code, first["champion"], first["changed"]) == (0, before, True)
    code, second = everfit("rollback", MODEL)
    assert (code, second["champion"], second["changed"]) == (0, before, False)
    assert everfit("promote", MODEL, "--version", str(now))[1]["champion"] == now
    assert everfit("history", MODEL)[1]["champion"] == now
