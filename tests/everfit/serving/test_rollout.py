"""How serving goes over to a new champion, as a plan and a decision that look at no clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from everfit.ledger import Entry
from everfit.serving import rollout
from everfit.serving.losses import Losses
from everfit.serving.rollout import Seen, Stage
from everfit.spec import Canary, Rollout

START = datetime(2026, 11, 1, tzinfo=UTC)
POLICY = Canary(steps=(0.01, 0.5, 1.0), max_latency_ms=20)
STAGE = Stage(version=2, beside=1, share=0.01, since=START, began=START, first=5, number=5)


def told(*rows):
    """Return ledger rows of a kind and its facts, numbered from one."""
    return [Entry(at + 1, START + timedelta(hours=at), kind, "bike", "", "ann", facts.pop("reason", ""), facts, "", "")
            for at, (kind, facts) in enumerate(rows)]  # fmt: skip


FIRST = [("promoted", {"version": 1}), ("went_live", {"version": 1})]
SECOND = [*FIRST, ("promoted", {"version": 2})]

REFIT = ("registered", {"version": 3, "root": 2})


def canary(kind, share=None, **more):
    return f"canary_{kind}", {"version": 2, "beside": 1, "promotion": 3, "share": share, **more}


LAST = canary("started", 1.0)


@pytest.mark.parametrize(("rows", "policy", "plan"), [
    ([("promoted", {"version": 1})], POLICY, (1, None, "go live")),
    (FIRST, POLICY, (1, None, "")),
    (SECOND, None, (2, None, "go live")),
    (SECOND, POLICY, (1, 2, "start")),
    ([*SECOND, canary("started", 0.01)], POLICY, (1, 2, "weigh")),
    ([*SECOND, canary("started", 0.01)], None, (2, None, "go live")),
    ([*SECOND, canary("started", 0.01), canary("reverted", reason="slow")], POLICY, (1, None, "revert")),
    ([*SECOND, canary("started", 0.01), canary("finished")], POLICY, (2, None, "")),
    ([*SECOND, LAST, canary("reverted", reason="slow"), canary("finished")], POLICY, (1, None, "revert")),
    ([*SECOND, LAST, canary("finished"), canary("reverted", reason="slow")], POLICY, (2, None, "")),
    ([*SECOND, canary("started", 0.01), ("rolled_back", {"version": 1})], POLICY, (1, None, "")),
    ([*SECOND, ("went_live", {"version": 2}), ("rolled_back", {"version": 1})], POLICY, (1, None, "go live")),
    ([*SECOND, canary("started", 0.01), ("promoted", {"version": 3})], POLICY, (1, 3, "start")),
    ([*SECOND, canary("started", 0.01), REFIT, ("promoted", {"version": 3})], POLICY, (1, 3, "weigh")),
    ([*SECOND, ("went_live", {"version": 2}), REFIT, ("promoted", {"version": 3})], POLICY, (2, 3, "start")),
])  # fmt: skip
def test_who_answers_follows_from_the_ledger_alone(rows, policy, plan):
    standing = rollout.standing_of(told(*[(kind, dict(facts)) for kind, facts in rows]))
    made = rollout.plan_of(standing, policy)
    assert (made.main, made.canary, made.todo) == plan
    assert f"v{standing.champion}" in rollout.in_words(standing, policy)


def test_the_largest_step_that_any_service_recorded_is_the_present_one():
    rows = [*SECOND, canary("started", 0.01), canary("advanced", 0.5), canary("advanced", 0.1)]
    stage = rollout.standing_of(told(*rows)).stage
    assert (stage.share, stage.first, stage.number) == (0.5, 4, 5)
    assert (stage.since - START, stage.began - START) == (timedelta(hours=4), timedelta(hours=3))
    assert "v2 answers 50.0%" in rollout.in_words(rollout.standing_of(told(*rows)), POLICY)
    assert rollout.standing_of([]) is None
    assert "no champion" in rollout.in_words(None, POLICY)


@pytest.mark.parametrize(("seen", "hours", "kind", "because"), [
    (Seen(200), 2, "canary_advanced", "200 answers"),
    (Seen(200), 0.5, None, "it lasts until 2026-11-01 01:00"),
    (Seen(60), 2, None, "40 more answers"),
    (Seen(10, errors=1), 2, None, "90 more answers"),
    (Seen(10, errors=2), 0, "canary_reverted", "2 of 10 answers failed; 1.0% may"),
    (Seen(1000, errors=10), 2, "canary_advanced", "10 failed"),
    (Seen(1000, errors=11), 2, "canary_reverted", "11 of 1000"),
    (Seen(10, slow=5), 2, None, "90 more"),
    (Seen(10, slow=6), 0, "canary_reverted", "6 of 10 answers took longer than 20 ms"),
    (Seen(200, losses=Losses(1.0, 1.2, 80, 0.001)), 0, "canary_reverted", "on 80 labels is 1.2, 20.0% above 1"),
    (Seen(200, losses=Losses(1.0, 1.2, 80, 0.2)), 2, "canary_advanced", ""),
    (Seen(200, losses=Losses(1.0, 1.05, 80, 0.001)), 2, "canary_advanced", ""),
    (Seen(200, losses=Losses(1.0, 9.0, 20, 0.001)), 2, "canary_advanced", ""),
    (Seen(200, losses=Losses(1.0, 1.2, 50, 0.004)), 0, "canary_reverted", "on 50 labels"),
    (Seen(200, losses=Losses(1.0, 1.2, 100, 0.004)), 2, "canary_advanced", ""),  # it was looked at before
    (Seen(200, losses=Losses(0.0, 0.1, 80, 0.001)), 0, "canary_reverted", "inf"),
])  # fmt: skip
def test_a_step_goes_on_ends_well_or_goes_back(seen, hours, kind, because):
    move = rollout.decide(POLICY, STAGE, seen, START + timedelta(hours=hours))
    assert move.kind == kind
    assert because in move.reason
    assert move.share == (0.5 if kind == "canary_advanced" else None)


def test_the_last_step_ends_the_canary_and_no_limit_is_no_reason():
    late, bad = START + timedelta(hours=2), Seen(200, slow=200, losses=Losses(1.0, 9.0, 99, 0.0))
    assert rollout.decide(POLICY, replace(STAGE, share=1.0), Seen(200), late).kind == "canary_finished"
    lenient = Canary(max_loss_increase=None)
    assert rollout.decide(lenient, STAGE, bad, late).kind == "canary_advanced"
    assert rollout.decide(Canary(steps=(0.2, 0.3)), replace(STAGE, share=0.25), Seen(200), late).share == 0.3


def test_a_key_stays_with_the_canary_as_its_share_grows():
    keys = [f"customer {at}" for at in range(2_000)]
    taken = [{key for key in keys if replace(STAGE, share=share).takes(key)} for share in (0.01, 0.1, 0.5, 1.0)]
    assert [len(each) / len(keys) for each in taken] == pytest.approx([0.01, 0.1, 0.5, 1.0], abs=0.03)
    assert taken[0] < taken[1] < taken[2] < taken[3]
    assert taken[1] != {key for key in keys if replace(STAGE, first=6, share=0.1).takes(key)}


def test_steps_that_do_not_rise_are_a_mistake_of_the_file():
    with pytest.raises(ValueError, match="larger share"):
        Rollout(canary={"steps": [0.5, 0.1]})
