"""A champion that is kept fit: measured on each labelled batch, refitted when that is due, searched for if in vain."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everfit import registry
from everfit.errors import InputError
from everfit.lake import Lake
from everfit.ledger import Entry, Holder, Ledger
from everfit.models.portfolio import refitted
from everfit.settings import Settings
from everfit.spec import load_spec
from everfit.upkeep.state import State
from tasks.champion import Champion

MODEL = "sales"
SPEC = """
name: sales
data: {source: history.parquet, target: y, time: hour, ids: [sale]}
search: {budget: 4m, trials: 1, estimators: [linear]}
monitor: {min_rows: 100, min_labels: 60}
"""


class Died(BaseException):
    """What ends a run as nothing that it could catch does."""


def sales(first: int, count: int, slope: float) -> pd.DataFrame:
    """Hourly sales whose answer is `slope` times x and a little noise."""
    dice, n = np.random.default_rng(first), np.arange(first, first + count)
    x = dice.normal(0, 3, count)
    hour = pd.Timestamp("2026-03-01") + pd.to_timedelta(n, "h")
    return pd.DataFrame({"sale": n, "hour": hour, "x": x, "y": (slope * x + dice.normal(0, 1, count)).round(3)})


def batch(number: int, slope: float) -> str:
    sales(400 + 100 * number, 100, slope).to_parquet(f"batch-{number}.parquet")
    return f"batch-{number}.parquet"


@pytest.fixture(scope="module")
def here(founded: Callable[[str, str], Settings]) -> SimpleNamespace:
    """A workspace whose champion was found among very few candidates."""
    from flows.train import train

    settings = founded(MODEL, SPEC)
    sales(0, 400, 3).to_parquet("history.parquet")
    train(MODEL)
    return SimpleNamespace(settings=settings, ledger=Ledger.of(settings), lake=Lake(settings))


@pytest.fixture(scope="module")
def story(here: SimpleNamespace) -> SimpleNamespace:
    """Two batches of the old world, and three of a new one."""
    from flows.monitor import monitor

    here.told = [monitor(MODEL, batch(number, 3 if number < 2 else 6)) for number in range(5)]
    here.versions = here.ledger.champion(MODEL)
    return here


def last(here: SimpleNamespace, kind: str) -> Entry:
    return here.ledger.entries(MODEL, kinds=[kind])[-1]


def state(here: SimpleNamespace) -> State:
    return Champion(load_spec(MODEL, here.settings.models)).lineage.state()


def load(here: SimpleNamespace, version: int) -> registry.Loaded:
    return registry.load(here.settings, MODEL, version)


def test_a_labelled_batch_that_only_calls_for_another_offset_makes_a_version_of_the_same_models(story):
    told = story.told[0]
    assert (told["verdict"], told["action"], told["retraining"]["state"]) == ("fine", "recalibrate", "Promoted")
    one, two = load(story, 1), load(story, 2)
    (member,) = two.pipeline.members
    assert (member[0], member[2]) == ("all", 1.0)
    rows = pd.read_parquet("batch-1.parquet")
    said = one.pipeline.predict(rows) + two.pipeline.offset * two.pipeline.trust
    assert np.allclose(two.pipeline.predict(rows), said)
    assert two.pipeline.offset != 0
    assert two.card["reason"].startswith("recalibration: by recent labels")
    assert two.card["snapshot"] == one.card["snapshot"]
    assert (two.train_rows.tolist(), two.reference.equals(one.reference)) == (one.train_rows.tolist(), True)
    judged = [entry.facts["evidence"] for entry in story.ledger.entries(MODEL, kinds=["drift_judged"])]
    assert [(each["champion"], each["labels"]) for each in judged[:2]] == [(1, 100), (2, 200)]
    data = story.ledger.registered(MODEL)
    assert (len(data[1]["batches"]), len(data[2]["batches"])) == (1, 2), "what came since is no news"


def test_a_refit_that_is_due_learns_from_all_labelled_rows_and_keeps_the_level_to_be_held(story):
    told = story.told[1]
    assert (told["verdict"], told["action"], told["retraining"]["state"]) == ("fine", "refit", "Promoted")
    assert "search" not in told["retraining"]["seconds"]
    one, three = load(story, 1), load(story, 3)
    assert [name for name, *_ in three.pipeline.members] == ["all", "recent"]
    assert len(three.train_rows) == 600
    held = [loaded.reference.loc[loaded.reference["_heldout"].astype(bool), "_loss"] for loaded in (one, three)]
    assert held[0].tolist() == held[1].tolist()
    assert three.reference["sale"].is_monotonic_increasing, "each row once, in the order of time"
    assert three.card["params"]["how"] == "refit"
    facts = [entry.facts for entry in story.ledger.entries(MODEL, kinds=["registered"])][2]
    assert (facts["root"], facts["members"], facts["beyond"]) == (1, {"all": 0, "recent": 2}, 200)
    said = [entry.summary for entry in story.ledger.entries(MODEL, kinds=["promoted"])][2]
    assert said.startswith("v3 took over from v2: refit of recent rows (weights: all 100%")


def test_a_risen_loss_has_refits_at_work_first_and_a_search_when_they_are_in_vain(story):
    assert [told["verdict"] for told in story.told[2:]] == ["retrain"] * 3
    actions = [told["action"] for told in story.told[2:]]
    assert actions[-1] == "search"
    assert "refit" in actions
    assert "search" not in actions[:-1]
    measured = [entry.facts["evidence"]["measured"] for entry in story.ledger.entries(MODEL, kinds=["drift_judged"])]
    assert [each["rows"] for each in measured] == [100] * 5
    searched = story.told[-1]["retraining"]
    assert searched["how"] == "search"
    assert list(searched["scores"]) == ["dummy", "champion", "challenger"], "a refit is judged by its twin"
    then = searched["then"]
    assert (searched["refused"], then["version"], then["refused"]) == (True, searched["version"] + 1, True)
    assert then["reasons"][-1].startswith("recent keeps its model"), "which was due beside the search"


def test_refits_use_up_neither_cooldown_nor_the_searches_of_the_week(story):
    evidence = story.ledger.entries(MODEL, kinds=["drift_judged"])[-1].facts["evidence"]
    assert evidence["retrained"] == []
    assert evidence["champion_since"] == story.ledger.swaps(MODEL)[0].at.isoformat().replace("+00:00", "Z")
    assert len(story.ledger.retrainings(MODEL).ended) == 1


def test_a_refit_by_hand_needs_no_new_labels_waits_for_approval_and_a_rollback_takes_the_state_along(story):
    from flows.train import train

    path = story.settings.models / f"{MODEL}.yaml"
    champion, before = story.ledger.champion(MODEL), state(story)
    path.write_text(f"{SPEC}promotion: {{approval: manual}}\n")
    told = train(MODEL, how="refit")
    path.write_text(SPEC)
    assert (told["how"], told["state"], told["champion"]) == ("refit", "Waits for approval", champion)
    registry.promote_by_hand(story.settings, MODEL, reason="looks right")
    assert story.ledger.champion(MODEL) == told["version"]
    assert told["reasons"][0].startswith("refit of all rows")
    assert told["reasons"][-1].startswith("recent keeps its model: worse on rows that it learnt from")
    assert [track.fitted for track in state(story).tracks] == [before.batches, before.tracks[1].fitted]
    registry.rollback(story.settings, MODEL, reason="the test")
    assert story.ledger.champion(MODEL) == champion
    back = state(story)
    assert (back.served, [track.fitted for track in back.tracks]) == (before.served, [t.fitted for t in before.tracks])
    assert [track.tried for track in back.tracks] == [before.batches, before.tracks[1].tried]


def wanted(here: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, number: int) -> str:
    """Judge a batch and start nothing; return the decision that wants a refit."""
    from flows.monitor import monitor

    with monkeypatch.context() as patch:
        patch.setattr("flows.monitor.start_wanted", lambda _: [])
        told = monitor(MODEL, batch(number, 6))
    assert told["action"] in ("refit", "recalibrate")
    return str(told["decision"])


def die(*_: Any, **__: Any) -> None:
    raise Died


def test_whatever_dies_between_its_steps_a_decision_makes_one_version_that_takes_over_once(story, monkeypatch):
    from flows.train import train

    decision, registered = wanted(story, monkeypatch, 5), len(story.ledger.registered(MODEL))
    after = State.from_dict(last(story, "drift_judged").facts["decision"]["upkeep"])
    gone = Holder(socket.gethostname(), os.getpid(), "earlier")
    for step in ("flows.train.register_again", "flows.train.promote", "tasks.claim._finished"):
        with monkeypatch.context() as patch:
            patch.setattr(Holder, "here", classmethod(lambda _: gone))
            patch.setattr(step, die)
            with pytest.raises(Died):
                train(MODEL, decision=decision)
    assert state(story) == after, "it took over, though nobody has said so"
    assert train(MODEL, decision=decision) is None
    assert len(story.ledger.registered(MODEL)) == registered + 1
    assert sum(e.facts.get("decision") == decision for e in story.ledger.entries(MODEL, kinds=["promoted"])) == 1
    assert [e.subject for e in story.ledger.entries(MODEL, kinds=["retrain_finished"])].count(decision) == 1
    assert story.ledger.wanted(MODEL) == []


def test_a_refit_that_fails_leaves_the_champion_and_the_state_goes_on_without_it(story, monkeypatch):
    from flows.train import train

    champion, before = story.ledger.champion(MODEL), state(story)
    decision = wanted(story, monkeypatch, 6)
    root = Path(registry.loading.find(story.settings, MODEL, story.ledger.lineage(MODEL)[0].root).folder)
    whole = (root / "model.skops").read_bytes()
    (root / "model.skops").write_bytes(whole[:-1])
    with pytest.raises(InputError, match="was altered"):
        train(MODEL, decision=decision)
    (root / "model.skops").write_bytes(whole)
    assert story.ledger.champion(MODEL) == champion
    assert last(story, "retrain_failed").subject == decision
    now = state(story)
    assert now.batches == before.batches + 1
    assert (now.served, [t.fitted for t in now.tracks]) == (before.served, [t.fitted for t in before.tracks])
    assert story.ledger.verify().ok


def test_a_decision_about_a_champion_that_was_replaced_refits_nothing(story, monkeypatch):
    from flows.train import train

    decision = wanted(story, monkeypatch, 7)
    champion = story.ledger.champion(MODEL)
    story.ledger.swap_champion(MODEL, expected=champion, new=1, actor="ann")
    told = train(MODEL, decision=decision)
    assert (told["state"], told["version"]) == ("Champion kept", None)
    assert told["reasons"] == [f"v{champion}, which was to learn again, is champion no more"]


def test_a_refit_by_hand_brings_nothing_in_that_the_monitor_has_not_judged(here):
    from flows.monitor import monitor
    from flows.train import train

    (here.settings.models / "plain.yaml").write_text(SPEC.replace(MODEL, "plain", 1).replace("history", "plain-*"))
    sales(0, 400, 3).to_parquet("plain-0.parquet")
    train("plain")
    sales(400, 100, 3).to_parquet("plain-1.parquet")
    assert train("plain", how="refit")["data"]["rows"] == 400
    assert len(monitor("plain")["batches"]) == 1


def test_a_refit_of_the_rows_of_an_earlier_data_version_is_refused(here):
    from flows.train import train

    registered = here.ledger.registered(MODEL)
    with pytest.raises(InputError, match="would forget what came since"):
        train(MODEL, how="refit", data_version=1)
    assert here.ledger.registered(MODEL) == registered


LATE = """
name: late
data: {source: history.parquet, target: y, time: hour, ids: [sale]}
search: {budget: 4m, trials: 1, estimators: [linear]}
monitor: {min_rows: 60, min_labels: 80}
refit: {recent: 0, offset: false}
"""


def test_labels_that_come_late_twice_corrected_and_in_pieces_are_measured_once_each_and_count_by_their_rows(here):
    from flows.monitor import monitor
    from flows.train import train

    (here.settings.models / "late.yaml").write_text(f"{LATE}retrain: {{auto: false}}\n")
    train("late")
    rows = sales(400, 200, 3)
    told = rows[["sale", "y"]]
    wrong = told.head(60).assign(y=-500.0)
    parts = {"first": wrong, "again": wrong, "mended": told.head(100)}
    parts |= {"few": told[100:135], "more": told[135:145], "rest": told[145:]}
    for name, labels in parts.items():
        labels.to_csv(f"{name}.csv", index=False)
    rows.drop(columns="y").head(100).to_parquet("before-first.parquet")
    rows.drop(columns="y").tail(100).to_parquet("before-few.parquet")
    for name in parts:
        if Path(f"before-{name}.parquet").exists():
            monitor("late", f"before-{name}.parquet")
        monitor("late", labels=f"{name}.csv")
    sales(600, 20, 3).to_parquet("small.parquet")
    monitor("late", "small.parquet")
    judged = [entry.facts["evidence"] for entry in here.ledger.entries("late", kinds=["drift_judged"])]
    measured = [None, 60, 100, None, None, 45, None, 75]
    assert [each["measured"] and each["measured"]["rows"] for each in judged] == measured
    assert [each["waits"] for each in judged] == [rows is None for rows in measured]
    assert judged[1]["measured"]["plain"] > 400 > 2 > judged[2]["measured"]["plain"]
    assert [each["upkeep"]["batches"] for each in judged] == [0, 0, 1, 2, 2, 2, 3, 3]


def test_a_refit_that_is_refused_is_not_tried_again_at_the_next_batch(here, monkeypatch):
    from flows.monitor import monitor
    from flows.train import train

    (here.settings.models / "kept.yaml").write_text(LATE.replace("name: late", "name: kept"))
    train("kept")
    for number in range(3):
        assert monitor("kept", batch(number, 3))["action"] == "none"
    with monkeypatch.context() as patch:  # a fit that failed
        patch.setattr("everfit.upkeep.learning.refitted", lambda model, X, y, *_: refitted(model, X, 0 * y))
        told = monitor("kept", batch(3, 3))
    assert (told["action"], told["retraining"]["state"]) == ("refit", "Champion kept")
    assert "all keeps its model: worse on rows that it learnt from" in told["retraining"]["reasons"][-1]
    (track,) = Champion(load_spec("kept", here.settings.models)).lineage.state().tracks
    assert (track.fitted, track.tried, track.gap) == (0, 4, 8)
    assert monitor("kept", batch(4, 3))["action"] == "none"
