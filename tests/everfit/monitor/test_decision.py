import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from everfit.monitor.decision import Decision, Evidence, decide, decision_id
from everfit.monitor.findings import Finding
from everfit.spec import Monitor, Promotion, Refit, Retrain
from everfit.upkeep.advance import begin
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import Level

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
MONITOR, RETRAIN, PROMOTION = Monitor(), Retrain(), Promotion()
LOSS = Finding("performance", "the mean loss rose by 30%", severity="retrain", effect=0.3)
DRIFT = Finding("input drift", "3 of 11 columns moved: temp, hum, wind", severity="watch", columns=("temp",))
FAULT = Finding("unit changed", "amount: 100 times what it was", severity="repair", columns=("amount",))
QUIET = Finding("target drift", "the target: no change beyond chance")
HELD = Finding("performance", "the mean loss is what it was", effect=0.01)
UNSURE = Finding.cannot_judge("performance", "not enough labels: 12 since promotion, 200 needed")
NEW = begin(Refit(), "regression")
DUE = replace(NEW, batches=1)  # the model of recent rows learns again at the second batch
SAME = Measured(500, {"all": 1.0, "recent": 9.0}, 1.0, 1.0, 0.0, 500.0, Level(0.5, 0.1, 500))
RECENT_BETTER = replace(SAME, losses={"all": 1.0, "recent": 0.9})


def evidence(**change):
    plain = Evidence(
        model="bike",
        batch="b" * 64,
        data_version=7,
        now=NOW,
        rows=1000,
        champion=3,
        champion_since=NOW - timedelta(days=5),
        learnt=10_000,
        new_rows=2000,
        labels=2000,
        findings=(LOSS,),
    )
    return replace(plain, **change)


def judge(retrain=RETRAIN, monitor=MONITOR, promotion=PROMOTION, refit=None, **change):
    return decide(evidence(**change), monitor, retrain, promotion, refit)


def test_a_risen_loss_of_a_champion_without_windows_asks_for_a_search():
    decision = judge()
    assert (decision.verdict, decision.action, decision.wanted) == ("retrain", "search", "search")
    assert decision.reasons == ("the mean loss rose by 30%",)
    assert decision.blockers == ()


@pytest.mark.parametrize("findings", [(), (QUIET,), (QUIET, UNSURE)])
def test_silence_is_fine(findings):
    decision = judge(findings=findings)
    assert (decision.verdict, decision.action) == ("fine", "none")
    assert decision.reasons[0].startswith("nothing speaks")


def test_fine_says_what_could_not_be_judged():
    (reason,) = judge(findings=(UNSURE,)).reasons
    assert reason == f"nothing speaks; could not be judged: performance ({UNSURE.text})"


def test_moved_inputs_alone_are_watched_and_never_retrain():
    many = tuple(replace(DRIFT, text=f"all columns moved, {i}") for i in range(50))
    decision = judge(findings=many)
    assert (decision.verdict, decision.action) == ("watch", "none")


def test_moved_inputs_are_a_reason_beside_a_risen_loss_and_the_gravest_comes_first():
    assert judge(findings=(QUIET, DRIFT, LOSS)).reasons == (LOSS.text, DRIFT.text)


def test_a_data_fault_is_repaired_and_blocks_learning():
    decision = judge(findings=(LOSS, FAULT))
    assert (decision.verdict, decision.action) == ("data fault: repair the feed", "repair")
    assert decision.reasons == (FAULT.text, LOSS.text)
    assert "repair the feed" in decision.blockers[0]


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"champion": None}, "no champion yet"),
        ({"retrain": Retrain(auto=False)}, "retrain.auto is false"),
        ({"labels": 12}, "12 labelled rows since the champion's search, 200 needed"),
        ({"labels": 0, "target_present": False}, "the batch itself has no target column"),
        ({"running": "decision 0123456789abcdef"}, "already wanted or running: decision 0123456789abcdef"),
        ({"waiting": 4}, "version 4 waits for approval"),
        ({"retrained": (NOW - timedelta(hours=3),)}, "search ended 3.0 h ago: cooldown of 1d until 2026-11-23 00:00"),
        ({"retrained": tuple(NOW - timedelta(days=d) for d in (2, 4, 6))}, "3 searches in the last seven days"),
        ({"retrain": Retrain(max_per_week=0)}, "at most 0 are allowed"),
    ],
)
def test_one_good_reason_holds_it_back(change, because):
    decision = judge(**change)
    assert because in "\n".join(decision.blockers)
    assert (decision.verdict, decision.action, decision.held) == ("retrain", "none", True)


def test_all_blockers_are_given_also_when_nothing_calls_for_a_retraining():
    decision = judge(retrain=Retrain(auto=False), findings=(), labels=1, champion=None, waiting=4)
    assert decision.verdict == "fine"
    assert len(decision.blockers) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"retrained": (NOW - timedelta(days=1),)},
        {"retrained": tuple(NOW - timedelta(days=d) for d in (2, 4, 7))},
        {"retrained": (NOW + timedelta(hours=1),)},
    ],
)
def test_the_pauses_end_when_they_say(change):
    assert judge(**change).action == "search"


@pytest.mark.parametrize(
    ("change", "retrains"),
    [
        ({}, True),
        ({"champion_since": NOW - timedelta(days=29)}, False),
        ({"champion_since": None}, False),
        ({"champion_since": NOW - timedelta(days=90), "retrained": (NOW - timedelta(days=8),)}, False),
        ({"new_rows": 900}, False),
        ({"new_rows": 400, "learnt": 1000}, False),
        ({"promotion": Promotion(stale_after=timedelta(days=90))}, False),
    ],
)
def test_a_stale_champion_retrains_once_there_are_enough_new_rows(change, retrains):
    decision = judge(**{"champion_since": NOW - timedelta(days=31), "findings": (), **change})
    assert (decision.action == "search") is retrains
    assert ("31 days old" in "".join(decision.reasons)) is retrains


def test_a_promotion_by_approval_does_not_hold_the_retraining_but_is_said():
    decision = judge(promotion=Promotion(approval="manual"))
    assert decision.action == "search"
    assert any(step.startswith("If it does, its promotion waits for a person: ") for step in decision.next_steps)


def test_a_decision_has_the_same_id_for_the_same_batch_and_champion_only():
    assert judge().id == judge(findings=(), now=NOW + timedelta(days=1)).id == decision_id("bike", "b" * 64, 7, 3)
    others = [judge(model="bikes"), judge(batch="c"), judge(data_version=8), judge(champion=4), judge(champion=None)]
    assert len({judge().id, *(other.id for other in others)}) == 6
    assert len(judge().id) == 16


@pytest.mark.parametrize(
    ("upkeep", "measured", "action", "windows"),
    [
        (NEW, SAME, "none", ()),
        (NEW, None, "none", ()),
        (DUE, None, "none", ()),
        (NEW, RECENT_BETTER, "recalibrate", ()),
        (DUE, RECENT_BETTER, "refit", ("recent",)),
        (replace(NEW, batches=3), SAME, "refit", ("all", "recent")),
    ],
)
@pytest.mark.parametrize("findings", [(LOSS,), (HELD,), (DRIFT,), ()])
def test_the_cheapest_action_that_may_help_comes_first(upkeep, measured, action, windows, findings):
    decision = judge(upkeep=upkeep, measured=measured, findings=findings)
    assert (decision.action, decision.wanted, decision.refit) == (action, action, windows)
    assert decision.upkeep.batches == upkeep.batches + (measured is not None)
    if action != "none":
        assert decision.reasons[0].startswith(("the last refit of the model of ", "the model of ", "by recent labels"))
        assert decision.upkeep.served != upkeep.served or windows
        assert decision.next_steps[0].startswith("The champion")


def test_a_search_comes_after_refits_in_vain_and_has_the_count_begin_anew():
    state, actions = NEW, []
    for _ in range(8):
        decision = judge(upkeep=state, measured=SAME)
        actions.append(decision.action)
        state = decision.upkeep
    assert actions[:3] == ["none", "refit", "search"]
    assert [at for at, action in enumerate(actions) if action == "search"] == [2, 5]
    searched = judge(upkeep=replace(NEW, batches=2, risen=2), measured=SAME)
    assert searched.reasons == (LOSS.text, "refits were not enough: the loss has risen in 3 labelled batches in a row")
    assert (searched.upkeep.risen, searched.upkeep.batches, searched.refit) == (0, 3, ())
    assert (searched.instead, searched.upkeep.track("recent").tried) == (("recent",), 0), (
        "it is due until it has learnt"
    )
    assert "where it does not, the champion learns again as it is" in searched.next_steps[0]
    alone = judge(upkeep=replace(NEW, risen=2), measured=SAME)
    assert (alone.action, alone.instead) == ("search", ())
    assert alone.next_steps[0].endswith("before it takes over.")


@pytest.mark.parametrize(("findings", "risen"), [((LOSS,), 3), ((HELD,), 0), ((UNSURE,), 2), ((), 2)])
def test_a_batch_that_cannot_be_judged_neither_ends_nor_lengthens_a_row_of_bad_ones(findings, risen):
    decision = judge(upkeep=replace(NEW, risen=2), measured=SAME, findings=findings, retrain=Retrain(auto=False))
    assert decision.upkeep.risen == risen


@pytest.mark.parametrize(
    ("change", "risen"), [({}, 3), ({"waits": True}, 2), ({"again": True}, 2), ({"findings": (LOSS, FAULT)}, 2)]
)
def test_a_loss_that_has_risen_on_rows_that_never_came_counts_unless_their_labels_wait_for_more(change, risen):
    decision = judge(upkeep=replace(NEW, risen=2), retrain=Retrain(auto=False), **change)
    assert decision.upkeep.risen == risen
    assert ("they wait for more" in decision.reasons[-1]) is ("waits" in change)


def test_where_refits_are_not_wanted_a_risen_loss_asks_for_a_search_at_once():
    assert judge(upkeep=NEW, measured=SAME, refit=Refit(auto=False)).action == "search"
    assert judge(upkeep=NEW, measured=None, refit=Refit(auto=False)).action == "search"
    assert judge(upkeep=DUE, measured=SAME, refit=Refit(auto=False), findings=(HELD,)).action == "none"


PAUSES = {
    "retrained": tuple(NOW - timedelta(hours=h) for h in (1, 2, 3)),
    "spent": "the month has 3 s left for searches",
    "labels": 40,
}


def test_what_holds_a_search_back_does_not_hold_a_refit_back():
    due = judge(upkeep=DUE, measured=SAME, **PAUSES)
    assert (due.action, due.wanted, due.blockers, due.held) == ("refit", "refit", (), False)
    vain = judge(upkeep=replace(DUE, risen=5), measured=SAME, **PAUSES)
    assert (vain.action, vain.wanted, vain.refit, vain.held) == ("refit", "search", ("recent",), False)
    assert len(vain.blockers) == 4
    assert PAUSES["spent"] in vain.blockers
    assert vain.reasons == (
        "refits were not enough: the loss has risen in 6 labelled batches in a row",
        "the model of recent rows has yet to be refitted: 2 batch(es) is its interval",
        LOSS.text,
    )
    assert vain.upkeep.risen == 6
    assert vain.next_steps[1] == "A search is wanted too, and held back for now."


def test_a_search_that_is_held_back_is_held_where_nothing_cheaper_is_due():
    decision = judge(upkeep=replace(NEW, risen=5), measured=SAME, **PAUSES)
    assert (decision.action, decision.held) == ("none", True)
    assert judge(upkeep=NEW, measured=SAME, **PAUSES).held is False


def test_a_search_that_waits_for_the_next_month_holds_back_another_one_and_no_refit():
    waits = {"spent": "the month is spent", "queued": "d1", "upkeep": DUE, "measured": SAME}
    assert judge(findings=(HELD,), **waits).action == "refit"
    decision = judge(upkeep=replace(DUE, risen=9), **{k: v for k, v in waits.items() if k != "upkeep"})
    assert (decision.wanted, decision.action) == ("search", "refit")
    assert decision.blockers == ("the month is spent", "a search is wanted already, and waits: d1")


@pytest.mark.parametrize(
    "change", [{"retrain": Retrain(auto=False)}, {"running": "decision 1"}, {"waiting": 4}, {"champion": None}]
)
def test_what_holds_everything_back_leaves_a_refit_due(change):
    decision = judge(upkeep=DUE, measured=SAME, findings=(HELD,), **change)
    assert (decision.verdict, decision.action, decision.wanted) == ("fine", "none", "refit")
    assert len(decision.blockers) == 1
    assert decision.next_steps[0].startswith("Nothing starts while a blocker stands")
    assert decision.upkeep.track("recent").fitted == 0
    assert judge(upkeep=decision.upkeep, measured=SAME).refit == ("recent",)


def test_broken_data_block_every_action_and_teach_the_state_nothing():
    decision = judge(upkeep=replace(DUE, risen=5), measured=RECENT_BETTER, findings=(LOSS, FAULT))
    assert (decision.action, decision.refit, decision.upkeep) == ("repair", (), replace(DUE, risen=5))
    assert decision.reasons == (FAULT.text, LOSS.text)


def test_an_old_champion_is_searched_for_anew_also_while_refits_are_due():
    old = {"champion_since": NOW - timedelta(days=31), "findings": (HELD,), "upkeep": DUE, "measured": SAME}
    assert judge(**old).action == "search"
    assert judge(**old, **PAUSES).action == "refit"


def test_whatever_is_seen_there_is_one_action_and_the_same_one_again():
    choices = {
        "findings": [(), (LOSS,), (HELD,), (UNSURE,), (DRIFT, HELD), (LOSS, FAULT)],
        "upkeep": [None, NEW, DUE, replace(DUE, risen=5)],
        "measured": [None, SAME, RECENT_BETTER],
        "running": ["", "decision 1"],
        "labels": [2000, 3],
        "champion_since": [None, NOW - timedelta(days=31)],
    }
    for values in product(*choices.values()):
        seen = evidence(**dict(zip(choices, values, strict=True)))
        decision = decide(seen, MONITOR, RETRAIN, PROMOTION)
        assert decision == decide(Evidence.from_dict(seen.to_dict()), MONITOR, RETRAIN, PROMOTION)
        assert bool(decision.refit) == (decision.action == "refit")
        assert decision.action == decision.wanted or decision.blockers
        assert (decision.action == "repair") == (FAULT in seen.findings)
        assert decision.reasons
        assert len(decision.next_steps) in (1, 2)
        assert (decision.upkeep is None) == (seen.upkeep is None)
        same_models = decision.action not in ("refit", "recalibrate") and seen.upkeep
        assert not same_models or decision.upkeep.served == seen.upkeep.served


def test_evidence_and_decision_come_back_from_json_and_decide_the_same_again():
    seen = evidence(
        findings=(LOSS, DRIFT, UNSURE), retrained=(NOW - timedelta(days=3),), upkeep=DUE, measured=RECENT_BETTER,
        costs={"refit": 3.5},
    )  # fmt: skip
    decision = decide(seen, MONITOR, RETRAIN, PROMOTION)
    kept = json.loads(json.dumps([seen.to_dict(), decision.to_dict()], allow_nan=False))
    assert Evidence.from_dict(kept[0]) == seen
    assert Decision.from_dict(kept[1]) == decision
    assert decide(Evidence.from_dict(kept[0]), MONITOR, RETRAIN, PROMOTION) == decision


def test_what_was_written_before_there_were_refits_can_be_read():
    found = {"signal": "performance", "text": "rose", "severity": "retrain", "judged": True, "columns": [],
             "statistic": 4.1, "p_value": 1e-5, "effect": 0.3}  # fmt: skip
    seen = {"model": "bike", "batch": "b", "data_version": 7, "now": "2026-11-01T03:00:00Z", "rows": 900,
            "champion": 3, "champion_since": "2026-10-30T03:00:00Z", "learnt": 10000, "new_rows": 2000,
            "labels": 2000, "target_present": True, "retrained": [], "running": "", "waiting": None, "as_of": 12,
            "findings": [found]}  # fmt: skip
    decided = {"id": decision_id("bike", "b", 7, 3), "verdict": "retrain", "action": "retrain", "reasons": ["rose"],
               "blockers": [], "findings": [found], "next_steps": ["A retraining starts by itself."]}  # fmt: skip
    before = Decision.from_dict(decided)
    assert (before.action, before.retrains, before.held, before.diagnosis) == ("search", True, False, None)
    again = decide(Evidence.from_dict(seen), MONITOR, RETRAIN, PROMOTION)
    assert (again.id, again.action, again.reasons) == (before.id, before.action, before.reasons)
    assert Decision.from_dict({**decided, "action": "none", "blockers": ["cooldown"]}).held
