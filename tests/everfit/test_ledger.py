import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from everfit.errors import InputError, PromotionRefused, Unavailable
from everfit.ledger import GENESIS, Holder, Ledger, proof
from everfit.ledger.store import is_file

WHO = {"actor": "ann"}
MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(file):
    return Ledger(f"sqlite:///{file}")


def filled(ledger, rows=5):
    for number in range(rows):
        ledger.record("predicted", "bike", actor="ann", reason="asked", facts={"rows": number, "version": 1})
    return ledger


def tamper(file, *statements):
    """Do what a person with the file can do: drop the triggers, then change what they like."""
    with closing(sqlite3.connect(file)) as raw, raw:
        for statement in ("DROP TRIGGER ledger_no_update", "DROP TRIGGER ledger_no_delete", *statements):
            raw.execute(statement)
    raw.close()


def test_an_entry_comes_back_as_it_was_written(ledger):
    written = ledger.record(
        "ingested", "bike", subject="abc", actor="ann", reason="nightly", facts={"rows": np.int64(7)}, at=MARCH
    )
    assert ledger.entries() == [written]
    assert (written.seq, written.previous, written.at) == (1, GENESIS, MARCH)
    assert written.facts == {"rows": 7}


def test_facts_are_plain_json_whatever_they_were(ledger):
    facts = {"score": float("nan"), "high": np.float32("inf"), "path": Path("/a"), "at": MARCH, "many": (1, {"x"})}
    assert ledger.record("registered", "bike", actor="ann", facts=facts).facts == {
        "score": None,
        "high": None,
        "path": "/a",
        "at": "2026-03-01T12:00:00Z",
        "many": [1, ["x"]],
    }
    assert ledger.verify().ok


def test_an_unknown_kind_is_refused(ledger):
    with pytest.raises(ValueError, match="'guessed' is not a kind"):
        ledger.record("guessed", "bike", actor="ann")


def test_the_same_subject_is_recorded_once(ledger):
    first, new = ledger.once("ingested", "bike", "abc", facts={"rows": 1}, **WHO)
    again, newer = ledger.once("ingested", "bike", "abc", facts={"rows": 2}, **WHO)
    assert (new, newer) == (True, False)
    assert first == again
    with pytest.raises(ValueError, match="recorded already"):
        ledger.record("ingested", "bike", subject="abc", **WHO)
    assert ledger.once("ingested", "taxi", "abc", **WHO)[1]
    assert ledger.once("validated", "bike", "abc", **WHO)[1]


def test_rows_without_a_subject_may_repeat(ledger):
    assert len(filled(ledger).entries("bike")) == 5


def test_entries_can_be_asked_for_by_model_kind_and_time(ledger):
    for day, kind in enumerate(["ingested", "validated", "ingested"]):
        ledger.record(kind, "bike", at=MARCH + timedelta(days=day), **WHO)
    ledger.record("ingested", "taxi", at=MARCH, **WHO)
    assert [e.seq for e in ledger.entries("bike", kinds=["ingested"])] == [1, 3]
    assert [e.seq for e in ledger.entries(at=MARCH + timedelta(days=1))] == [1, 2, 4]
    assert [e.seq for e in ledger.entries(since=MARCH + timedelta(hours=1))] == [2, 3]
    assert [e.seq for e in ledger.entries(limit=2)] == [3, 4]


def test_moments_are_compared_in_utc(ledger):
    here = datetime.fromisoformat("2026-03-01T14:00:00+02:00")
    assert ledger.record("ingested", "bike", at=here, **WHO).at == MARCH
    assert ledger.entries(at=MARCH) == ledger.entries(at=here) != []


@pytest.mark.parametrize(
    ("kind", "facts", "line"),
    [
        ("ingested", {"rows": 10, "good": 9, "quarantined": 1}, "9 of 10 rows taken in, 1 quarantined: why"),
        ("ingested", {}, "ingested: why"),
        ("promotion_refused", {"version": 4, "champion": 3}, "v4 was refused; v3 stays champion: why"),
        ("promotion_refused", {"version": 4, "champion": None}, "v4 was refused: why"),
        ("drift_judged", {"verdict": "retrain"}, "judged: retrain: why"),
        ("retrain_wanted", {}, "retraining wanted: why"),
    ],
)
def test_a_summary_is_one_plain_line(ledger, kind, facts, line):
    assert ledger.record(kind, "bike", reason="why", facts=facts, **WHO).summary == line


def test_a_line_of_many_says_what_was_done_and_each_reason_once(ledger):
    why, facts = (
        "the loss rose; 1 of 8 columns moved: " + "temp " * 50,
        {"verdict": "retrain", "in_short": "retrain, search"},
    )
    ledger.record("drift_judged", "bike", subject="d1", reason=why, facts=facts, **WHO)
    ledger.record("retrain_wanted", "bike", subject="d1", reason=why, facts={"how": "search"}, **WHO)
    ledger.record("registered", "bike", reason=f"drift: {why}", facts={"version": 2}, **WHO)
    ledger.record("promoted", "bike", reason="better", facts={"version": 2, "replaced": 1}, **WHO)
    ledger.record("train_failed", "bike", reason="no " * 99, **WHO)
    *lines, cut = [entry.line for entry in ledger.entries()]
    assert lines == ["judged: retrain, search, decision d1: the loss rose; …", "search wanted", "v2 registered",
                     "v2 took over from v1: better"]  # fmt: skip
    assert (len(cut), cut[-1]) == (160, "…")


def test_a_summary_is_bounded_and_has_no_line_breaks(ledger):
    summary = ledger.record("validated", "bike", reason="bad\nrows " * 200, **WHO).summary
    assert len(summary) == 300
    assert "\n" not in summary


# The chain


def test_an_untouched_ledger_verifies(ledger):
    found = filled(ledger).verify()
    assert (found.ok, found.rows, found.first_bad, found.anchored) == (True, 5, None, True)
    assert found.head == ledger.entries()[-1].hash


def test_an_empty_ledger_verifies(ledger):
    assert ledger.verify().ok


@pytest.mark.parametrize(
    ("change", "first_bad", "why"),
    [
        ("UPDATE ledger SET reason = 'other' WHERE seq = 3", 3, "row 3 was altered"),
        ("""UPDATE ledger SET facts = '{"rows":9,"version":1}' WHERE seq = 4""", 4, "row 4 was altered"),
        ("UPDATE ledger SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 1", 1, "row 1 was altered"),
        ("UPDATE ledger SET actor = 'bob' WHERE seq = 5", 5, "row 5 was altered"),
        ("DELETE FROM ledger WHERE seq = 3", 3, "row 3 is missing"),
        ("DELETE FROM ledger WHERE seq < 3", 1, "rows 1 to 2 are missing"),
        ("DELETE FROM ledger WHERE seq = 5", 5, "the end is missing"),
        ("DELETE FROM ledger", 1, "the end is missing: this machine wrote row 5, and the table ends at row 0"),
        ("INSERT INTO ledger SELECT 0,at,kind,model,subject,actor,reason,facts,previous,'x' FROM ledger LIMIT 1", 0,
         "row 0 was put in"),
        ("INSERT INTO ledger SELECT 6,at,kind,model,subject,actor,reason,facts,hash,'x' FROM ledger WHERE seq=5", 6,
         "row 6 was altered"),
    ],
)  # fmt: skip
def test_any_change_names_its_first_row(ledger, file, change, first_bad, why):
    filled(ledger)
    tamper(file, change)
    found = ledger.verify()
    assert (found.ok, found.first_bad) == (False, first_bad)
    assert why in found.why


def test_two_rows_that_changed_places_are_seen(ledger, file):
    filled(ledger)
    swap = "UPDATE ledger SET seq = {} WHERE seq = {}"
    tamper(file, swap.format(99, 2), swap.format(2, 4), swap.format(4, 99))
    assert ledger.verify().first_bad == 2


def test_a_row_rehashed_after_a_change_breaks_the_link_to_the_next(ledger, file):
    filled(ledger)
    forger = Ledger(f"sqlite:///{file.with_name('forged.db')}")
    forged = filled(forger, 2).record("predicted", "bike", actor="eve", reason="asked")
    columns = ["actor", "reason", "facts", "previous", "hash", "at"]
    values = [forged.actor, forged.reason, "{}", forged.previous, forged.hash]
    at = forged.to_dict()["at"]
    pairs = ", ".join(f"{c} = '{v}'" for c, v in zip(columns, [*values, at], strict=True))
    tamper(file, f"UPDATE ledger SET {pairs} WHERE seq = 3")
    found = ledger.verify()
    assert found.first_bad == 3
    assert "does not follow row 2" in found.why


def test_a_ledger_cut_off_and_written_on_is_seen_by_its_anchor(ledger, file):
    filled(ledger)
    tamper(file, "DELETE FROM ledger WHERE seq > 3")
    filled(Ledger(f"sqlite:///{file}", anchor=file.with_name("somebody-else.anchor")), 6)
    found = ledger.verify()
    assert (found.ok, found.first_bad) == (False, 5)
    assert "cut off and written anew" in found.why


def test_nothing_is_decided_on_a_ledger_whose_end_was_cut_off(ledger, file):
    ledger.swap_champion("bike", expected=None, new=3, actor="ann")
    tamper(file, "DELETE FROM ledger")
    with pytest.raises(InputError, match="not the one that this machine wrote"):
        ledger.swap_champion("bike", expected=None, new=1, actor="mallory")
    assert ledger.champion("bike") is None


def test_without_its_anchor_a_cut_end_cannot_be_seen_and_verify_says_so(ledger, file):
    filled(ledger)
    tamper(file, "DELETE FROM ledger WHERE seq > 3")
    file.with_name("ledger.db.anchor").unlink()
    found = ledger.verify()
    assert (found.ok, found.anchored) == (True, False)


@pytest.mark.parametrize("damage", ["{", "[]", "7", "null", '{"seq": 1}', '{"seq": [], "hash": ""}', "\udcff"])
def test_a_broken_anchor_is_no_proof_and_nothing_is_decided_beside_it(ledger, file, damage):
    filled(ledger)
    file.with_name("ledger.db.anchor").write_bytes(damage.encode(errors="surrogateescape"))
    found = ledger.verify()
    assert (found.ok, found.rows) == (False, 5)
    assert "ledger.db.anchor cannot be read" in found.why
    assert ledger.cut_off
    with pytest.raises(InputError, match=r"or its anchor ledger\.db\.anchor is damaged"):
        filled(ledger, 1)


def test_an_anchor_that_cannot_be_written_lags_and_the_row_counts(ledger, file, caplog):
    filled(ledger, 2)
    in_the_way = file.with_name("ledger.db.anchor.new")
    in_the_way.mkdir()
    filled(ledger, 1)
    assert "row 3 is recorded, and its anchor lags until the next row moves it" in caplog.text
    assert (ledger.verify().ok, ledger.verify().rows) == (True, 3)
    assert '"seq":2' in file.with_name("ledger.db.anchor").read_text()
    in_the_way.rmdir()
    filled(ledger, 1)
    assert '"seq":4' in file.with_name("ledger.db.anchor").read_text()


def test_the_anchor_never_goes_back_to_the_row_of_a_slower_process(ledger, file):
    slower, faster = filled(ledger, 2).entries()
    anchor = file.with_name("ledger.db.anchor")
    proof.move_anchor(anchor, faster)
    proof.move_anchor(anchor, slower)
    assert proof.read_anchor(anchor) == proof.Anchor(2, faster.hash)


@pytest.mark.parametrize(
    ("url", "beside"), [("postgresql://u@h/from_sqlite", False), ("sqlite:////a/postgresql.db", True)]
)
def test_whether_a_ledger_is_a_file_is_read_from_its_address(url, beside):
    assert is_file(url) is beside


def test_the_anchor_may_lag_behind_after_a_crash(ledger, file):
    filled(ledger, 2)
    old = file.with_name("ledger.db.anchor").read_text()
    filled(ledger, 2)
    file.with_name("ledger.db.anchor").write_text(old)
    assert ledger.verify().ok
    filled(ledger, 1)
    assert '"seq":5' in file.with_name("ledger.db.anchor").read_text()


@pytest.mark.parametrize("statement", ["UPDATE ledger SET reason = ''", "DELETE FROM ledger"])
def test_the_table_itself_refuses_changes(ledger, file, statement):
    filled(ledger)
    with closing(sqlite3.connect(file)) as raw, raw, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(statement)
    raw.close()


# Champions


def crowned(ledger, *versions, model="bike"):
    for before, version in zip((None, *versions), versions, strict=False):
        ledger.swap_champion(model, expected=before, new=version, actor="ann", reason="better")
    return ledger


def test_there_is_no_champion_at_first(ledger):
    assert ledger.champion("bike") is None
    assert ledger.previous("bike") is None


def test_a_promotion_follows_the_expected_champion(ledger):
    crowned(ledger, 1, 2, 3)
    assert (ledger.champion("bike"), ledger.previous("bike"), ledger.champion("taxi")) == (3, 2, None)


def test_a_promotion_against_another_champion_is_refused_and_says_who_won(ledger):
    crowned(ledger, 1, 2)
    with pytest.raises(
        PromotionRefused, match=r"v3 did not take over: v2 is champion since .* promoted by ann"
    ) as refused:
        ledger.swap_champion("bike", expected=1, new=3, **WHO)
    assert refused.value.winner["facts"] == {"version": 2, "replaced": 1}
    assert len(ledger.entries("bike")) == 2


def test_a_first_promotion_needs_that_there_is_no_champion(ledger):
    crowned(ledger, 1)
    with pytest.raises(PromotionRefused, match="v1 is champion"):
        ledger.swap_champion("bike", expected=None, new=2, **WHO)
    with pytest.raises(PromotionRefused, match="there is no champion"):
        ledger.swap_champion("taxi", expected=1, new=2, **WHO)


def test_the_champion_cannot_be_promoted_again(ledger):
    with pytest.raises(PromotionRefused, match="v2 is champion"):
        crowned(ledger, 1, 2).swap_champion("bike", expected=2, new=2, **WHO)


@pytest.mark.parametrize(
    ("story", "champion", "previous"),
    [
        ("1 2 3 b2", 2, 1),
        ("1 2 3 b2 b1", 1, None),
        ("1 2 3 b2 4", 4, 2),
        ("1 2 3 b1", 1, None),
        ("1 2 1 b2", 2, 1),
        ("1 2 1", 1, 2),
    ],
)
def test_a_rollback_never_leads_back_to_what_was_rolled_back(ledger, story, champion, previous):
    for step in story.split():
        kind = "rolled_back" if step.startswith("b") else "promoted"
        ledger.swap_champion("bike", expected=ledger.champion("bike"), new=int(step.lstrip("b")), kind=kind, **WHO)
    assert (ledger.champion("bike"), ledger.previous("bike")) == (champion, previous)


def test_who_was_champion_can_be_asked_of_any_moment(ledger):
    ledger.swap_champion("bike", expected=None, new=1, at=MARCH, **WHO)
    ledger.swap_champion("bike", expected=1, new=2, at=MARCH + timedelta(days=2), **WHO)
    moments = [MARCH - timedelta(days=1), MARCH, MARCH + timedelta(days=1), MARCH + timedelta(days=3)]
    assert [ledger.champion("bike", at=moment) for moment in moments] == [None, 1, 1, 2]
    assert ledger.previous("bike", at=MARCH + timedelta(days=3)) == 1


def test_what_each_version_was_made_from_and_every_change_of_the_champion_can_be_asked_for(ledger):
    for version, digest in ((1, "a"), (2, "b")):
        ledger.record("registered", "bike", facts={"version": version, "data": {"digest": digest}}, **WHO)
        ledger.swap_champion("bike", expected=ledger.champion("bike"), new=version, **WHO)
    ledger.swap_champion("bike", expected=2, new=1, kind="rolled_back", **WHO)
    assert ledger.registered("bike") == {1: {"digest": "a"}, 2: {"digest": "b"}}
    assert [entry.kind for entry in ledger.swaps("bike")] == ["promoted", "promoted", "rolled_back"]
    assert (ledger.registered("taxi"), ledger.swaps("taxi")) == ({}, [])


# Retrainings


def want(ledger, decision="d1"):
    ledger.record("retrain_wanted", "bike", subject=decision, reason="drift", facts={"decision": {"any": 1}}, **WHO)
    return ledger


def wanted(ledger):
    return [entry.subject for entry in ledger.wanted("bike")]


def test_a_wanted_retraining_is_claimed_once(ledger):
    want(ledger)
    assert wanted(ledger) == ["d1"]
    assert ledger.claim("bike", "d1", **WHO)
    assert not ledger.claim("bike", "d1", **WHO)
    assert wanted(ledger) == []


def judge(ledger, decision, **how):
    return ledger.judge("bike", decision, **{"retrain": True, "after": ledger.retrainings("bike").seq, **how}, **WHO)


def test_a_decision_and_the_retraining_that_it_wants_are_recorded_together_and_once(ledger):
    entry = judge(ledger, "d1", reason="the loss rose")
    assert [(e.kind, e.reason) for e in ledger.entries()] == [
        ("drift_judged", "the loss rose"), ("retrain_wanted", "the loss rose"),
    ]  # fmt: skip
    assert judge(ledger, "d1", retrain=False) == entry
    assert len(ledger.entries()) == 2


def test_nothing_is_decided_by_whoever_weighed_before_another_decision_or_another_champion(ledger):
    before = ledger.retrainings("bike").seq
    judge(ledger, "d1")
    assert judge(ledger, "d2", after=before) is None
    assert judge(ledger, "d3", after=before, retrain=False) is None
    assert (ledger.retrainings("bike").open, wanted(ledger)) == ("d1", ["d1"])
    before = ledger.retrainings("bike").seq
    ledger.finish("bike", "d1", outcome="failed")
    assert judge(ledger, "d2", after=before) is None
    assert (ledger.retrainings("bike").open, len(ledger.retrainings("bike").ended)) == ("", 1)
    before = ledger.retrainings("bike").seq
    ledger.swap_champion("bike", expected=None, new=1, **WHO)
    assert judge(ledger, "d2", after=before) is None
    assert judge(ledger, "d2").subject == "d2"


def test_history_says_what_kind_of_retraining_started_and_ended(ledger):
    for decision, how in (("d1", "recalibrate"), ("d2", "refit"), ("d3", "search")):
        judge(ledger, decision, how=how)
        ledger.claim("bike", decision, **WHO)
    ledger.release("bike", "d1")
    ledger.finish("bike", "d2", outcome="finished", facts={"version": 2})
    ledger.finish("bike", "d3", outcome="failed", reason="the disk is full")
    said = [entry.summary for entry in ledger.entries() if entry.kind != "drift_judged"]
    assert said == [
        "recalibration wanted", "recalibration started, attempt 1", "refit wanted", "refit started, attempt 1",
        "search wanted", "search started, attempt 1", "recalibration given back, to be tried again",
        "refit finished with v2", "search failed: the disk is full",
    ]  # fmt: skip


def test_what_the_last_retraining_of_each_kind_took_is_known_once_it_made_a_version(ledger):
    for decision, how, facts in (("d1", "refit", {"version": 2}), ("d2", "search", {}), ("d3", "recalibrate", None)):
        judge(ledger, decision, how=how)
        ledger.claim("bike", decision, **WHO)
        ledger.finish("bike", decision, outcome="failed" if facts is None else "finished", facts=facts)
    began, ended = (ledger.entries(kinds=[kind])[0].at for kind in ("retrain_started", "retrain_finished"))
    assert ledger.retrainings("bike").seconds == {"refit": round((ended - began).total_seconds(), 1)}
    for minute, took, version, root in ((0, 24, 3, 3), (9, 4, 4, 3)):  # a first search by hand, and a refit of it
        start, key = MARCH + timedelta(minutes=minute), f"run/{version}"
        by_hand = {"version": version, "root": root, "training": key}
        ledger.record("train_started", "bike", subject=key, at=start, facts={"holder": Holder.here().to_dict()}, **WHO)
        ledger.record("registered", "bike", at=start, facts=by_hand, **WHO)
        ledger.record("promotion_refused", "bike", at=start + timedelta(seconds=took), facts=by_hand, **WHO)
    assert ledger.retrainings("bike").seconds == {"search": 24.0, "refit": 4.0}


def test_what_was_never_wanted_cannot_be_claimed(ledger):
    assert not ledger.claim("bike", "d1", **WHO)
    assert ledger.entries() == []


def test_a_finished_retraining_is_neither_wanted_nor_claimed_again(ledger):
    want(ledger).claim("bike", "d1", **WHO)
    entry, first = ledger.finish("bike", "d1", outcome="finished", facts={"version": 2})
    again, second = ledger.finish("bike", "d1", outcome="failed")
    assert (first, second) == (True, False)
    assert again == entry
    assert wanted(ledger) == []
    assert not ledger.claim("bike", "d1", **WHO)


def test_a_claim_given_back_is_wanted_again(ledger):
    want(ledger).claim("bike", "d1", **WHO)
    ledger.release("bike", "d1", reason="the server was down")
    ledger.release("bike", "d1", reason="the server was down")
    assert wanted(ledger) == ["d1"]
    assert ledger.claim("bike", "d1", **WHO)
    assert [e.subject for e in ledger.entries(kinds=["retrain_started"])] == ["d1", "d1#2"]


def test_a_claim_of_a_process_that_was_killed_is_taken_over(ledger, file):
    want(ledger)
    script = (
        "import sys, time; from everfit.ledger import Ledger\n"
        f"print(Ledger('sqlite:///{file}').claim('bike', 'd1', actor='child'), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "True\n"
        assert not ledger.claim("bike", "d1", **WHO)
        assert wanted(ledger) == []
        child.kill()
    assert wanted(ledger) == ["d1"]
    assert ledger.claim("bike", "d1", **WHO)


def test_a_number_that_another_process_got_since_is_not_the_holder(ledger):
    want(ledger)
    gone = Holder(socket.gethostname(), os.getpid(), "earlier")
    assert ledger.claim("bike", "d1", holder=gone, **WHO)
    assert wanted(ledger) == ["d1"]


def test_a_claim_from_another_host_holds_until_its_lease_is_over(ledger):
    want(want(ledger), "d2")
    elsewhere = Holder("elsewhere", 1, "once")
    assert ledger.claim("bike", "d1", holder=elsewhere, lease=timedelta(hours=1), **WHO)
    assert ledger.claim("bike", "d2", holder=elsewhere, lease=timedelta(seconds=-1), **WHO)
    assert wanted(ledger) == ["d2"]
    assert not ledger.claim("bike", "d1", **WHO)
    assert ledger.claim("bike", "d2", **WHO)


def test_a_retraining_that_kills_its_process_three_times_is_left_to_a_person(ledger):
    want(ledger)
    gone = Holder(socket.gethostname(), os.getpid(), "earlier")
    assert [ledger.claim("bike", "d1", holder=gone, **WHO) for _ in range(4)] == [True, True, True, False]
    assert wanted(ledger) == []
    assert "3 attempts ended without an outcome" in ledger.entries(kinds=["retrain_failed"])[0].reason


def test_a_retraining_that_was_given_back_is_wanted_for_as_long_as_it_takes(ledger):
    want(ledger)
    for _ in range(5):
        assert ledger.claim("bike", "d1", **WHO)
        ledger.release("bike", "d1", reason="MLflow was down")
    assert wanted(ledger) == ["d1"]


@pytest.mark.parametrize(
    ("holder", "hours", "busy"),
    [(Holder.here(), 48, "run"), (Holder("elsewhere", 1, "once"), 2, "run"), (Holder("elsewhere", 1, "once"), 25, "")],
)
def test_a_training_that_no_decision_asked_for_is_under_way_until_it_ends_or_is_known_to_be_gone(
    ledger, holder, hours, busy
):
    before, began = ledger.retrainings("bike").seq, datetime.now(UTC) - timedelta(hours=hours)
    ledger.record("train_started", "bike", subject="run", facts={"holder": holder.to_dict()}, at=began, **WHO)
    assert ledger.retrainings("bike").open == busy
    assert judge(ledger, "d1", after=before) is None
    ledger.record("train_failed", "bike", subject="run", **WHO)
    assert ledger.retrainings("bike").open == ""


def test_a_search_that_nobody_has_begun_is_told_apart_from_what_is_under_way(ledger):
    judge(ledger, "d1")
    assert (ledger.retrainings("bike").busy, ledger.retrainings("bike").queued) == ("", "d1")
    judge(ledger, "d2", how="refit")
    assert (ledger.retrainings("bike").busy, ledger.retrainings("bike").queued) == ("d2", "d1")
    ledger.claim("bike", "d1", **WHO)
    ledger.finish("bike", "d2", outcome="finished")
    assert (ledger.retrainings("bike").busy, ledger.retrainings("bike").queued) == ("d1", "")


# Trainings that never ended

HERE, GONE = Holder.here(), Holder(socket.gethostname(), os.getpid(), "earlier")
ELSEWHERE = Holder("elsewhere", 1, "once")


def started(ledger, run, holder):
    ledger.record("train_started", "bike", subject=run, reason="by hand", facts={"holder": holder.to_dict()}, **WHO)


@pytest.mark.parametrize(
    ("holders", "unended"),
    [
        ([HERE], []),
        ([GONE], ["run-0"]),
        ([HERE, HERE], []),
        ([ELSEWHERE], []),
        ([ELSEWHERE, HERE], ["run-0"]),
        ([HERE, GONE], ["run-1"]),
    ],
)
def test_a_training_is_lost_when_its_process_is_gone_or_cannot_be_seen_and_another_began(ledger, holders, unended):
    for number, holder in enumerate(holders):
        started(ledger, f"run-{number}", holder)
    assert [entry.subject for entry in ledger.unended("bike")] == unended
    assert ledger.unended("taxi") == []


@pytest.mark.parametrize("end", ["promoted", "promotion_refused", "approval_wanted"])
def test_a_training_ends_with_what_became_of_its_version(ledger, end):
    started(ledger, "run-0", GONE)
    ledger.record(end, "bike", subject="v1", facts={"version": 1, "training": "run-0"}, **WHO)
    assert ledger.unended("bike") == []


def test_a_training_that_failed_has_ended(ledger):
    started(ledger, "run-0", GONE)
    failed = ledger.record("train_failed", "bike", subject="run-0", reason="the disk is full", **WHO)
    assert failed.summary == "training failed: the disk is full"
    assert ledger.unended("bike") == []


def test_each_attempt_at_a_decision_that_died_is_one_that_did_not_end(ledger):
    want(ledger)
    assert ledger.claim("bike", "d1", holder=GONE, **WHO)
    assert ledger.claim("bike", "d1", holder=GONE, **WHO)
    assert [entry.facts["attempt"] for entry in ledger.unended()] == [1, 2]
    assert ledger.claim("bike", "d1", **WHO)
    ledger.finish("bike", "d1", outcome="finished")
    assert [entry.facts["attempt"] for entry in ledger.unended()] == [1, 2]


def test_holders_that_named_their_run_as_they_once_did_are_read(ledger):
    facts = {"decision": "d1", "attempt": 1, "lease_until": "2026", "holder": {**GONE.to_dict(), "run": "run-1"}}
    want(ledger).record("retrain_started", "bike", subject="d1", facts=facts, **WHO)
    assert wanted(ledger) == ["d1"]
    assert len(ledger.unended("bike")) == 1


# What can go wrong with the file


def test_a_file_that_is_no_database_is_named(file):
    file.write_bytes(b"not a database, but long enough to look at " * 50)
    with pytest.raises(InputError, match=r"ledger\.db is not a ledger"):
        Ledger(f"sqlite:///{file}")


def test_a_folder_in_the_way_is_named(file):
    file.mkdir()
    with pytest.raises(InputError, match=r"ledger\.db cannot be used"):
        Ledger(f"sqlite:///{file}")


def test_a_file_in_the_place_of_the_folder_is_named(file):
    file.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Ledger(f"sqlite:///{file}/ledger.db")


def with_pragma(ledger, pragma):
    """Put every later connection of a ledger into a state that a disk could put it in."""
    sa.event.listen(ledger._store._engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))


def test_a_read_only_ledger_can_be_read_but_not_written(ledger):
    with_pragma(filled(ledger), "query_only = ON")
    with pytest.raises(InputError, match="readonly database"):
        ledger.record("predicted", "bike", **WHO)
    assert len(ledger.entries()) == 5


def test_a_locked_ledger_says_so_and_nothing_is_written(ledger, file, monkeypatch):
    monkeypatch.setattr("everfit.ledger.store.BUSY_SECONDS", 0.1)
    filled(ledger, 1)
    impatient = Ledger(f"sqlite:///{file}")
    raw = sqlite3.connect(file, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another process"):
        impatient.record("predicted", "bike", **WHO)
    assert len(impatient.entries()) == 1  # reading goes on
    raw.close()
    assert ledger.verify().ok


def test_a_full_disk_writes_nothing_half(ledger):
    with_pragma(filled(ledger), "max_page_count = 12")
    with pytest.raises(Unavailable, match="full"):
        ledger.record("predicted", "bike", reason="x" * 200_000, **WHO)
    assert len(ledger.entries()) == 5
    assert ledger.verify().ok


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense", ""])
def test_an_address_that_cannot_hold_a_ledger_is_refused(url):
    with pytest.raises(InputError, match="ledger"):
        Ledger(url)


def test_an_unreachable_server_is_named_without_its_password():
    with pytest.raises(
        Unavailable, match=r"The ledger at postgresql.*ann:\*\*\*@127.0.0.1:1/x cannot be reached"
    ) as down:
        Ledger("postgresql://ann:secret@127.0.0.1:1/x")
    assert "secret" not in str(down.value)


def register(ledger, version, data, *winners):
    facts = {"version": version, "data": {"version": data}}
    facts |= {"winners": [{"family": name, "params": {"depth": depth}} for name, depth in winners]} if winners else {}
    ledger.record("registered", "bike", subject=f"v{version}", facts=facts, **WHO)


def test_the_next_search_begins_with_what_the_champion_and_the_last_trainings_are_made_of(ledger):
    assert ledger.winners("bike") == []
    register(ledger, 1, 3)  # before winners were recorded
    register(ledger, 2, 3, ("mlp", 1), ("linear", 0))
    ledger.swap_champion("bike", expected=None, new=2, **WHO)
    for version in (3, 4, 5):
        register(ledger, version, version + 1, ("mlp", version), ("linear", 0))
    told = [("mlp", {"depth": 1}), ("linear", {"depth": 0}), *(("mlp", {"depth": depth}) for depth in (5, 4, 3))]
    assert ledger.winners("bike") == told
    assert ledger.winners("bike", before=5) == [*told[:2], ("mlp", {"depth": 3})], "as the first on that data knew them"
    assert ledger.winners("bike", before=3) == []


def test_a_search_can_be_stopped_while_its_training_is_under_way_and_the_next_one_goes_on(ledger):
    def start(key):
        ledger.record("train_started", "bike", subject=key, facts={"holder": Holder.here().to_dict()}, **WHO)

    with pytest.raises(InputError, match="no training is under way"):
        ledger.stop_search("bike", **WHO)
    start("run/1")
    assert not ledger.stop_wanted("bike")
    said = ledger.stop_search("bike", reason="good enough", **WHO)
    assert said.summary == "the search was asked to end with the best so far: good enough"
    assert ledger.stop_wanted("bike")
    assert ledger.unended("bike") == []
    ledger.record("train_failed", "bike", subject="run/1", **WHO)
    with pytest.raises(InputError, match="no training is under way"):
        ledger.stop_search("bike", **WHO)
    start("run/2")
    assert not ledger.stop_wanted("bike")
