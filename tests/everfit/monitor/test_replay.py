"""A decision comes out again from what the ledger kept, also years later and by another everfit."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from everfit.errors import InputError
from everfit.ledger import Ledger
from everfit.monitor.decision import Evidence, decide
from everfit.monitor.findings import Finding
from everfit.monitor.replay import basis_of, find, replay
from everfit.spec import ModelSpec, Refit
from everfit.upkeep.advance import begin
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import Level

PARTS = {"name": "bike", "data": {"source": "d.csv", "target": "y"}}
SPEC = ModelSpec.model_validate({**PARTS, "monitor": {"min_labels": 90}, "retrain": {"cooldown": "3h"}})
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
LOSS = Finding("performance", "the mean loss rose by 30%", severity="retrain", effect=0.3)
MEASURED = Measured(500, {"all": 1.0, "recent": 0.7}, 1.0, 0.9, 0.3, 500.0, Level(0.5, 0.1, 500))
SEEN = Evidence(
    "bike", "b" * 64, 7, NOW, 1000, champion=3, learnt=10_000, labels=100, findings=(LOSS,),
    upkeep=replace(begin(Refit(), "regression"), batches=1), measured=MEASURED, costs={"refit": 3.25},
)  # fmt: skip


@pytest.fixture(scope="module")
def ledger(tmp_path_factory) -> Ledger:
    """One decision as it is recorded, and the same as it was before there were refits, of a batch judged twice."""
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('replay')}/ledger.db")
    decision = decide(SEEN, SPEC.monitor, SPEC.retrain, SPEC.promotion, SPEC.refit)
    facts = {"evidence": SEEN.to_dict(), "decision": decision.to_dict(), **basis_of(SPEC)}
    ledger.record("drift_judged", "bike", subject=decision.id, actor="ann", facts=facts)
    seen = without(facts["evidence"], "upkeep", "measured", "spent", "costs")
    decided = without(facts["decision"], "refit", "upkeep", "wanted", "diagnosis")
    decided |= {"id": f"{decision.id}-1", "action": "retrain", "reasons": [LOSS.text]}
    ledger.record("drift_judged", "bike", subject="0" * 16, actor="ann", facts={"evidence": seen, "decision": decided})
    return ledger


def without(plain, *names):
    return {name: value for name, value in plain.items() if name not in names}


def test_a_decision_is_made_again_by_the_policy_that_was_recorded(ledger):
    (entry, _) = ledger.entries(kinds=["drift_judged"])
    assert entry.facts["decision"]["action"] == "refit"
    again = replay(entry)
    assert (again.identical, again.notes, again.action) == (True, (), "refit")
    assert json.loads(json.dumps(again.to_dict(), allow_nan=False))["differences"] == []


def test_what_was_altered_is_named_down_to_the_number(ledger):
    (entry, _) = ledger.entries(kinds=["drift_judged"])
    facts = json.loads(json.dumps(entry.facts))
    facts["decision"]["upkeep"]["tracks"][1]["gap"] *= 2
    facts["decision"]["refit"] = []
    facts["decision"]["upkeep"]["served"]["weights"]["all"] *= 1 + 1e-12
    told = replay(replace(entry, facts=facts))
    assert not told.identical
    assert {one.field: (one.recorded, one.now) for one in told.differences} == {
        "refit": ([], ["recent"]),
        "upkeep.tracks[1].gap": (4.0, 2.0),
    }
    assert replay(replace(entry, facts={**facts, "decision": entry.facts["decision"]})).identical


def test_of_an_old_decision_what_cannot_be_made_again_is_said(ledger):
    (_, entry) = ledger.entries(kinds=["drift_judged"])
    with pytest.raises(InputError, match="its policy was not recorded"):
        replay(entry)
    told = replay(entry, SPEC)
    assert told.action == "search"
    assert told.identical
    assert "by the model file of today" in told.notes[0]
    assert "made by everfit of an unknown version, " in told.notes[1]
    assert told.notes[2].endswith("not compared: diagnosis, refit, upkeep, wanted")
    assert told.notes[3].endswith("not compared: costs, measured, spent, upkeep")
    assert "what a search was called then" in told.notes[4]
    assert told.notes[5].startswith("the same in other words: next_steps[0]: ")


def test_another_everfit_may_tell_the_same_decision_in_other_words_and_not_make_another_one(ledger):
    (entry, _) = ledger.entries(kinds=["drift_judged"])
    seen = replace(SEEN, labels=3, findings=(), upkeep=None, measured=None)
    held = decide(seen, SPEC.monitor, SPEC.retrain, SPEC.promotion, SPEC.refit).to_dict()
    facts = {**entry.facts, "evidence": seen.to_dict(), "decision": held, "everfit": "0.0.1"}
    words = {"reasons": ["all is well", "it is"], "blockers": ["three labels only"], "next_steps": ["Rest."]}
    words["diagnosis"] = {**held["diagnosis"], "sentence": "Hm."}
    told = replay(replace(entry, facts={**facts, "decision": {**held, **words}}))
    assert told.identical
    assert "made by everfit 0.0.1" in told.notes[0]
    assert [note.split(": ")[1] for note in told.notes[1:]] == [
        "reasons", "blockers[0]", "next_steps[0]", "diagnosis.sentence"]  # fmt: skip
    more = replay(replace(entry, facts={**facts, "decision": {**held, "blockers": [*held["blockers"], "another"]}}))
    assert [one.field for one in more.differences] == ["blockers"]


def test_an_unknown_decision_is_one_error_with_the_nearest(ledger):
    entries = ledger.entries()
    first = entries[0].subject
    assert find(entries, first).subject == first
    assert find(entries, first[:6]).subject == first
    alike = replace(entries[0], subject=f"{first[:6]}!")
    with pytest.raises(InputError, match=f"short for {first} or {first[:6]}!\\."):
        find([*entries, alike], first[:6])
    with pytest.raises(InputError, match=f"Did you mean '{first}'"):
        find(entries, first[:-1] + "!")
    entries.append(replace(entries[0], model="taxi", subject="t" * 16))
    listed = [f"the latest of bike: {'0' * 16}, {first}", f"the latest of taxi: {'t' * 16}"]
    for asked, told in (("unheard of", listed), ("taxi", listed[1:])):
        with pytest.raises(InputError) as unknown:
            find(entries, asked)
        assert list(unknown.value.details) == told
    with pytest.raises(InputError, match="No decision 'x' is in the ledger\\."):
        find([], "x")
