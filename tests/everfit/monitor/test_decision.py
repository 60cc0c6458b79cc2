import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from everfit.monitor.decision import Decision, Evidence, decide, decision_id
from everfit.monitor.findings import Finding
from everfit.spec import Monitor, Promotion, Retrain

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
MONITOR, RETRAIN, PROMOTION = Monitor(), Retrain(), Promotion()
LOSS = Finding("performance", "the mean loss rose by 30%", severity="retrain", effect=0.3)
DRIFT = Finding("input drift", "3 of 11 columns moved: temp, hum, wind", severity="watch", columns=("temp",))
FAULT = Finding("unit changed", "amount: 100 times what it was", severity="repair", columns=("amount",))
QUIET = Finding("target drift", "the target: no change beyond chance")
UNSURE = Finding.cannot_judge("performance", "not enough labels: 12 since promotion, 200 needed")


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


def judge(retrain=RETRAIN, monitor=MONITOR, promotion=PROMOTION, **change):
    return decide(evidence(**change), monitor, retrain, promotion)


def test_a_risen_loss_retrains():
    decision = judge()
    assert (decision.verdict, decision.action) == ("retrain", "retrain")
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
        ({"labels": 12}, "12 labelled rows since the champion was made, 200 needed"),
        ({"labels": 0, "target_present": False}, "the batch itself has no target column"),
        ({"running": "decision 0123456789abcdef"}, "already wanted or running: decision 0123456789abcdef"),
        ({"waiting": 4}, "version 4 waits for approval"),
        ({"retrained": (NOW - timedelta(hours=3),)}, "cooldown of 1d until 2026-11-23 00:00"),
        ({"retrained": tuple(NOW - timedelta(days=d) for d in (2, 4, 6))}, "3 retrainings in the last seven days"),
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
    assert judge(**change).action == "retrain"


@pytest.mark.parametrize(
    ("change", "retrains"),
    [
        ({}, True),
        ({"champion_since": NOW - timedelta(days=29)}, False),
        ({"champion_since": None}, False),
        ({"new_rows": 900}, False),
        ({"new_rows": 400, "learnt": 1000}, False),
        ({"promotion": Promotion(stale_after=timedelta(days=90))}, False),
    ],
)
def test_a_stale_champion_retrains_once_there_are_enough_new_rows(change, retrains):
    decision = judge(**{"champion_since": NOW - timedelta(days=31), "findings": (), **change})
    assert (decision.action == "retrain") is retrains
    assert ("31 days old" in "".join(decision.reasons)) is retrains


def test_a_promotion_by_approval_does_not_hold_the_retraining_but_is_said():
    decision = judge(promotion=Promotion(approval="manual"))
    assert decision.action == "retrain"
    assert any("waits for a person" in step for step in decision.next_steps)


def test_a_decision_has_the_same_id_for_the_same_batch_and_champion_only():
    assert judge().id == judge(findings=(), now=NOW + timedelta(days=1)).id == decision_id("bike", "b" * 64, 7, 3)
    others = [judge(model="bikes"), judge(batch="c"), judge(data_version=8), judge(champion=4), judge(champion=None)]
    assert len({judge().id, *(other.id for other in others)}) == 6
    assert len(judge().id) == 16


def test_evidence_and_decision_come_back_from_json_and_decide_the_same_again():
    seen = evidence(findings=(LOSS, DRIFT, UNSURE), retrained=(NOW - timedelta(days=3),), waiting=None)
    decision = decide(seen, MONITOR, RETRAIN, PROMOTION)
    kept = json.loads(json.dumps([seen.to_dict(), decision.to_dict()], allow_nan=False))
    assert Evidence.from_dict(kept[0]) == seen
    assert Decision.from_dict(kept[1]) == decision
    assert decide(Evidence.from_dict(kept[0]), MONITOR, RETRAIN, PROMOTION) == decision
