"""The state of the policy follows what took place, and what an older everfit wrote down is understood."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everfit.evaluation import Verdict
from everfit.lake import Snapshot
from everfit.ledger import Ledger
from everfit.monitor.decision import Decision, Evidence
from everfit.registry import Loaded, Version
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.advance import advance, begin
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import Level, State
from everfit.upkeep.taken import done, inherited, refused
from tasks.asked import Asked, after_search, asked
from tasks.champion import Champion
from tasks.decide import decide, past, recollect
from tasks.evaluate import Judged
from tasks.lineage import Lineage
from tasks.promote import Outcome
from tasks.watch import Seen

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "y"}})
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC).isoformat()
BEGUN = begin(SPEC.refit, "regression")
OLD = {"model": "m", "batch": "a", "data_version": 1, "now": NOW, "rows": 900, "champion": 1, "findings": []}
SAID = {"id": "d", "verdict": "retrain", "action": "retrain", "reasons": ["worse"], "blockers": []}


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger of a model with one champion, found by a search and registered before there were refits."""
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.of(Settings())
    register(ledger, 1)
    ledger.swap_champion("m", expected=None, new=1, actor="ann")
    return ledger


def register(ledger: Ledger, version: int, **more: Any) -> None:
    facts = {"version": version, "run": "r", "data": {"version": 1, "batches": []}, **more}
    ledger.record("registered", "m", subject=f"v{version}", actor="ann", facts=facts)


def lineage(version: int) -> Lineage:
    card = {"task": "regression"}
    return Lineage(SPEC, Loaded("m", version, Path(), None, card, pd.DataFrame(), np.array([], dtype="uint64")))


def champion(version: int) -> Champion:
    """As a run has met it: read back before."""
    one = Champion(SPEC)
    one.__dict__["loaded"] = lineage(version).champion
    return one


def judge(
    ledger: Ledger, decision: str, champion: int, action: str, upkeep: State, before: State, rows: int | None = None
) -> None:
    """Judge a batch, of whose labels so many rows were measured."""
    evidence = OLD | {"batch": decision, "champion": champion, "upkeep": before.to_dict()}
    evidence |= {"measured": {"rows": rows} if rows else None}
    said = SAID | {"id": decision, "action": action, "upkeep": upkeep.to_dict(), "refit": ["all"]}
    retrain = action not in ("none", "repair")
    ledger.judge("m", decision, retrain=retrain, after=ledger.retrainings("m").seq, how=action, actor="ann",
                 facts={"evidence": evidence, "decision": said, "page": "p"})  # fmt: skip


def test_what_an_older_everfit_wrote_down_is_a_search_about_a_champion_that_begins_anew(ledger):
    facts = {"evidence": OLD, "decision": SAID, "page": "p"}
    ledger.judge("m", "d", retrain=True, after=ledger.retrainings("m").seq, actor="ann", facts=facts)
    ledger.record("retrain_wanted", "m", subject="e", actor="ann")
    assert lineage(1).state() == BEGUN
    assert (asked(SPEC, "d"), asked(SPEC, "e")) == (Asked("search", champion=1), Asked("search"))
    assert recollect(SPEC, past(SPEC), "a").decision.action == "search"
    ledger.finish("m", "e", outcome="finished")
    assert len(ledger.retrainings("m").ended) == 1
    assert [made.searched for made in ledger.lineage("m")] == [True]


def test_a_search_that_wins_goes_on_with_the_windows_and_is_refitted_as_is_the_champion_where_it_loses(ledger):
    heir = inherited(State.from_dict(BEGUN.to_dict() | {"batches": 4, "offsets": [[0.5, 90.0]]}))
    register(ledger, 2, upkeep=heir.to_dict())
    ledger.swap_champion("m", expected=1, new=2, actor="ann")
    assert lineage(2).state() == heir

    def due(state: str, champion: int, heir: State | None, windows: tuple[str, ...] = ()) -> Asked | None:
        judged = Judged(Verdict(state == "Promoted", (), (), "mae"), 1, heir=heir)
        version = Version("m", 2, "r", "e", "f", {})
        outcome = Outcome(state, version, champion, judged, Snapshot("m", "u", 1, "", 9, ()), [])
        return after_search(SPEC, outcome, Asked("search", windows, 1))

    assert due("Promoted", 2, heir) == Asked("refit", ("all", "recent"), 2)
    assert due("Promoted", 2, None) is None, "a champion that no labels have judged has no windows to leave"
    assert due("Champion kept", 1, heir, ("recent",)) == Asked("refit", ("recent",), 1)
    assert due("Champion kept", 1, heir) is due("Waits for approval", 1, heir, ("recent",)) is None
    assert due("Champion kept", 3, heir, ("recent",)) is None, "another champion has come meanwhile"


def test_a_refit_that_has_not_taken_place_leaves_the_models_and_keeps_what_was_measured(ledger):
    measured = State.from_dict(BEGUN.to_dict() | {"batches": 4, "risen": 2})
    wanted = done(measured, ["all"], SPEC.refit)
    judge(ledger, "d", 1, "refit", wanted, BEGUN)
    assert lineage(1).state() == State.from_dict(measured.to_dict() | {"fits": [0]})
    assert asked(SPEC, "d") == Asked("refit", ("all",), 1)
    register(ledger, 2, root=1, members={"all": 4}, upkeep=wanted.to_dict(), beyond=300)
    ledger.swap_champion("m", expected=1, new=2, actor="ann")
    assert lineage(2).state() == wanted
    assert ledger.since("m") == ledger.swaps("m")[0].at, "a refit makes no champion young"
    ledger.finish("m", "d", outcome="finished")
    assert ledger.retrainings("m").ended == (), "only searches count for cooldown and cap"
    judge(ledger, "e", 2, "none", State.from_dict(wanted.to_dict() | {"batches": 5}), wanted)
    assert lineage(2).state().batches == 5
    ledger.swap_champion("m", expected=2, new=1, kind="rolled_back", actor="ann")
    back = lineage(1).state()
    assert (back.batches, back.track("all").fitted) == (4, 0)
    assert (back.track("all").tried, back.track("all").gap) == (4, 2 * measured.track("all").gap), "it lasts"
    assert back.track("recent") == measured.track("recent")
    assert advance(back, MOVED, SPEC.refit)[1].refit == ("recent",)
    register(ledger, 3)
    ledger.swap_champion("m", expected=1, new=3, actor="ann")
    assert lineage(3).state() == BEGUN
    assert ledger.since("m") == ledger.swaps("m")[-1].at


def test_labels_that_came_while_a_version_waited_are_known_when_it_takes_over(ledger):
    made = done(State.from_dict(BEGUN.to_dict() | {"batches": 4}), ["all"], SPEC.refit)
    register(ledger, 2, root=1, members={"all": 4}, upkeep=made.to_dict())
    judge(ledger, "b", 1, "none", State.from_dict(BEGUN.to_dict() | {"batches": 6, "risen": 2}), BEGUN)
    ledger.swap_champion("m", expected=1, new=2, actor="ann")
    now = lineage(2).state()
    assert (now.batches, now.risen, lineage(2).has_met("b")) == (6, 2, True)
    assert (now.tracks, now.served, now.fits) == (made.tracks, made.served, made.fits)
    judge(ledger, "c", 2, "none", State.from_dict(now.to_dict() | {"batches": 7}), now)
    assert lineage(2).state().batches == 7


def test_each_judgement_is_read_once_and_those_of_another_run_as_they_come(ledger, monkeypatch):
    reads, read = [], Ledger.entries
    monkeypatch.setattr(Ledger, "entries", lambda *a, **k: (reads.append(found := read(*a, **k)), found)[1])
    one = lineage(1)
    for batch in "abc":
        judge(ledger, batch, 1, "none", State.from_dict(BEGUN.to_dict() | {"batches": len(one.judged()) + 1}), BEGUN)
        assert one.has_met(batch)
        assert one.state().batches == len(one.judged())
    judged = [entry.subject for found in reads for entry in found if entry.kind == "drift_judged"]
    assert judged == ["a", "b", "c"]


def test_the_labels_of_a_batch_of_rows_count_once_in_however_many_pieces_they_come(ledger):
    def few(*labels: int) -> list[bool]:
        return [lineage(1).few(each) for each in labels]

    assert few(29, 30) == [True, False], "nothing is known yet"
    judge(ledger, "w1", 1, "none", BEGUN, BEGUN)
    assert few(449, 450) == [True, False], "half of its rows"
    for labels in ("l1", "l2", "l3"):
        ledger.record("labelled", "m", subject=labels, actor="ann")
    judge(ledger, "l1", 1, "none", BEGUN, BEGUN, rows=500)
    judge(ledger, "w2", 1, "repair", BEGUN, BEGUN)
    assert few(899, 900) == [True, False], "what is left of it waits; all of it, corrected, does not"
    judge(ledger, "w3", 1, "none", BEGUN, BEGUN)
    judge(ledger, "l2", 1, "none", BEGUN, BEGUN)
    assert few(249, 250) == [True, False], "half of what counted before"
    assert lineage(1).unmeasured() >= {"w3", "l2"}
    judge(ledger, "l3", 1, "none", State.from_dict(BEGUN.to_dict() | {"risen": 1}), BEGUN)
    assert lineage(1).unmeasured() == set(), "labels of rows that never came count as well"


def test_a_refit_that_was_refused_is_known_to_have_been_tried(ledger):
    measured = State.from_dict(BEGUN.to_dict() | {"batches": 4})
    wanted = done(measured, ["all"], SPEC.refit)
    judge(ledger, "d", 1, "refit", wanted, BEGUN)
    left = refused(wanted, measured, ["all"], SPEC.refit)
    ledger.finish("m", "d", outcome="finished", facts={"upkeep": left.to_dict()})
    state = lineage(1).state()
    assert state == left
    assert (state.track("all").fitted, state.track("all").tried, state.track("all").gap) == (0, 4, 8)


def test_windows_that_the_model_file_has_no_more_are_left_out_and_new_ones_begin():
    from everfit.upkeep.taken import fitting

    alone = fitting(BEGUN, SPEC.refit.model_copy(update={"recent": 0}), "regression")
    assert [track.window for track in alone.tracks] == ["all"]
    assert [track.window for track in fitting(alone, SPEC.refit, "regression").tracks] == ["all", "recent"]


def test_decisions_are_what_they_were_when_read_again():
    decision = Decision("d", "fine", "refit", ("due",), (), refit=("all",), upkeep=BEGUN)
    assert Decision.from_dict(decision.to_dict()) == decision


MOVED = Measured(100, {"all": 1.0}, 1.0, 0.5, 2.0, 100.0, Level(0.1, 0.1, 100))


def seen(champion: Champion, batch: str) -> Seen:
    found = {"upkeep": champion.lineage.state(), "measured": MOVED}
    return Seen(Evidence("m", batch, 1, datetime.now(UTC), 100, champion=champion.loaded.version, **found))


def test_what_was_measured_from_a_state_that_another_run_has_left_is_looked_at_again_and_no_labels_are_lost(ledger):
    one, other = champion(1), champion(1)
    first, second = seen(one, "a"), seen(other, "b")
    assert decide.fn(SPEC, one, first).decision.action == "recalibrate"
    assert decide.fn(SPEC, other, second) is None
    other.__dict__["loaded"] = lineage(1).champion
    assert not other.lineage.has_met("b")
    assert decide.fn(SPEC, other, seen(other, "b")).decision.blockers[0].startswith("a retraining is already wanted")
    state = lineage(1).state()
    assert (state.batches, len(state.offsets)) == (2, 2)


def test_nothing_is_decided_about_a_champion_that_was_replaced_while_it_was_looked_at(ledger):
    one = champion(1)
    before = seen(one, "a")
    register(ledger, 2, root=1, members={"all": 0}, upkeep=BEGUN.to_dict())
    ledger.swap_champion("m", expected=1, new=2, actor="ann")
    assert decide.fn(SPEC, one, before) is None
    assert ledger.entries("m", kinds=["drift_judged"]) == []
