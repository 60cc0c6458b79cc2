"""One decision for a batch, one retraining for batches that are judged at the same moment, and what became of it."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from everfit.ledger import Ledger
from everfit.monitor.decision import Decision, Evidence
from everfit.monitor.findings import Finding
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks import decide
from tasks.evidence import with_past

ROUNDS = 12
RACE = """
import json, multiprocessing, sys
from datetime import UTC, datetime
from everfit.ledger import Ledger
from everfit.monitor.decision import Evidence
from everfit.monitor.findings import Finding
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks import decide

WORSE = Finding("performance", "the loss rose", severity="retrain")

def race(batch, rounds, together, said):
    ledger = Ledger.of(Settings())
    for model in rounds:
        spec = ModelSpec.model_validate({"name": model, "data": {"source": "x", "target": "y"}})
        seen = Evidence(model=model, batch=batch, data_version=1, now=datetime.now(UTC), rows=900, champion=1,
                        learnt=1000, new_rows=900, labels=900, findings=(WORSE,))
        together.wait()
        said.put((model, batch, decide._recorded(spec, ledger, seen, "page", None)[1].action))

fork = multiprocessing.get_context("fork")
rounds = [f"m{number}" for number in range(int(sys.argv[1]))]
Ledger.of(Settings())
together, said = fork.Barrier(2), fork.SimpleQueue()
racers = [fork.Process(target=race, args=(batch, rounds, together, said)) for batch in sys.argv[2:]]
for racer in racers:
    racer.start()
print(json.dumps([said.get() for _ in 2 * rounds]))
for racer in racers:
    racer.join()
    assert racer.exitcode == 0
"""


def race(folder: Path, *batches: str) -> tuple[Ledger, list[tuple[str, str, str]]]:
    command = [sys.executable, "-c", RACE, str(ROUNDS), *batches]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    return Ledger(f"sqlite:///{folder}/.everfit/ledger.db"), [tuple(one) for one in json.loads(done.stdout)]


def test_two_batches_judged_at_once_want_one_retraining_and_the_other_says_which(tmp_path):
    ledger, said = race(tmp_path, "a", "b")
    for number in range(ROUNDS):
        model = f"m{number}"
        (wanted,) = ledger.wanted(model)
        judged = [Decision.from_dict(e.facts["decision"]) for e in ledger.entries(model, kinds=["drift_judged"])]
        assert sorted(action for of, _, action in said if of == model) == ["none", "search"]
        (held,) = [decision for decision in judged if decision.held]
        assert held.blockers == (f"a retraining is already wanted or running: {wanted.subject}",)
        assert ledger.claim(model, wanted.subject, actor="ann")
        assert not ledger.claim(model, held.id, actor="bob")
    assert ledger.verify().ok


def test_one_batch_judged_twice_at_once_has_one_decision_which_both_return(tmp_path):
    ledger, said = race(tmp_path, "a", "a")
    assert {action for _, _, action in said} == {"search"}
    assert len(ledger.entries(kinds=["drift_judged"])) == len(ledger.entries(kinds=["retrain_wanted"])) == ROUNDS


SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "y"}})
WORSE = Finding("performance", "the loss rose", severity="retrain")


@pytest.fixture
def drifted(tmp_path, monkeypatch) -> tuple[Ledger, Decision]:
    """The ledger of a model whose champion was found to do worse, and the decision that wants a retraining."""
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.of(Settings())
    ledger.swap_champion("m", expected=None, new=1, actor="ann")
    seen = Evidence("m", "a", 1, datetime.now(UTC), 900, champion=1, labels=900, findings=(WORSE,))
    return ledger, decide._recorded(SPEC, ledger, seen, "page", None)[1]


@pytest.mark.parametrize("spent", ["", "the month is spent"])
def test_a_search_that_is_wanted_holds_everything_back_unless_the_month_has_nothing_left_for_it(drifted, spent):
    ledger, decided = drifted
    seen = with_past(ledger, Evidence("m", "b", 1, datetime.now(UTC), 900, spent=spent))
    assert (seen.running, seen.queued) == (("", decided.id) if spent else (decided.id, ""))


def test_what_a_search_took_is_known_to_the_next_decision(drifted):
    ledger, decided = drifted
    ledger.claim("m", decided.id, actor="ann")
    ledger.finish("m", decided.id, outcome="finished", facts={"version": 2})
    evidence = with_past(ledger, Evidence("m", "b", 1, datetime.now(UTC), 900))
    assert list(evidence.costs) == ["search"]
    assert Evidence.from_dict(evidence.to_dict()) == evidence


def test_a_decision_whose_retraining_was_given_up_says_so_and_promises_nothing(drifted):
    ledger, decided = drifted
    assert decide.recollect(SPEC, decide.past(SPEC), "a").decision == decided
    ledger.finish("m", decided.id, outcome="failed", reason="given up: 3 attempts ended without an outcome")
    told = decide.recollect(SPEC, decide.past(SPEC), "a").decision
    assert told.blockers == ("its retraining failed: given up: 3 attempts ended without an outcome",)
    assert told.next_steps == ("Look at why; then `everfit train m` retrains by hand.",)


def test_the_judgements_are_read_once_however_many_batches_are_asked_about(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger, reads, read = Ledger.of(Settings()), [], decide._judged
    ledger.swap_champion("m", expected=None, new=1, actor="ann")
    for batch in "ab":
        decide._recorded(SPEC, ledger, Evidence("m", batch, 1, datetime.now(UTC), 900, champion=1), "page", None)
    monkeypatch.setattr(decide, "_judged", lambda *of: (reads.append(of), read(*of))[1])
    before = decide.past(SPEC)
    assert [decide.recollect(SPEC, before, batch) is not None for batch in "abc"] == [True, True, False]
    assert len(reads) == 1


def test_what_comes_twice_at_once_is_judged_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Ledger.of(Settings()).swap_champion("m", expected=None, new=1, actor="ann")
    one, same, other = (SimpleNamespace(digest=digest) for digest in "aab")
    assert decide.news(SPEC, [one, same, other]) == [one, other]


def test_a_retraining_that_failed_leaves_its_drift_to_be_told(drifted):
    ledger, decided = drifted
    ledger.finish("m", decided.id, outcome="failed", reason="given up")
    told = decide.summary(SPEC, [], [], {})
    assert (told["verdict"], told["reasons"][1].endswith(": given up")) == ("watch", True)


def test_confirmed_drift_that_no_retraining_has_mended_is_told_until_something_else_is_known(drifted):
    ledger, decided = drifted
    assert decide.summary(SPEC, [], [], {})["verdict"] == "fine"
    ledger.finish("m", decided.id, outcome="finished", reason="worse by more than the margin")
    told = decide.summary(SPEC, [], [], {})
    assert (told["verdict"], told["action"], told["decision"], told["report"]) == ("watch", "none", decided.id, "page")
    assert told["reasons"][1].endswith("v1 is still champion: search finished: worse by more than the margin")
    ledger.record("approval_wanted", "m", subject="v2", actor="ann", facts={"version": 2, "champion": 1})
    assert decide.summary(SPEC, [], [], {})["next_steps"][0].startswith("v2 waits for approval: `everfit promote m`")
    ledger.swap_champion("m", expected=1, new=2, actor="ann")
    assert decide.summary(SPEC, [], [], {})["reasons"] == ["nothing new came in"]


@pytest.mark.parametrize(
    ("end", "because"),
    [({"facts": {"version": 2, "blockers": ["all keeps its model: worse"]}}, "all keeps its model: worse"),
     ({"reason": "the disk is full"}, "the disk is full")],
)  # fmt: skip
def test_a_refit_that_was_refused_or_failed_tells_why_and_advises_a_search(tmp_path, monkeypatch, end, because):
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.of(Settings())
    ledger.swap_champion("m", expected=None, new=1, actor="ann")
    facts = {"evidence": {"champion": 1}, "decision": {"action": "refit"}, "page": "page", "verdict": "fine"}
    ledger.judge("m", "d", retrain=True, after=ledger.retrainings("m").seq, how="refit", actor="ann", facts=facts)
    ledger.finish("m", "d", outcome="failed" if "reason" in end else "finished", **end)
    assert decide.summary(SPEC, [], [], {})["next_steps"] == [
        f"The refit did not take over: {because}. `everfit train m --search` looks for another pipeline."
    ]


def test_what_the_checks_of_a_batch_warned_about_is_said_with_its_verdict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bounds = [f"y: to be below 9; {rows} of 99" for rows in (7, 30, 40)]
    said = {"0": bounds[:1], "a": ["extra added", bounds[1]], "b": ["extra added", bounds[2]], "c": ["not asked about"]}
    for batch, warnings in said.items():
        Ledger.of(Settings()).record("validated", "m", actor="ann", facts={"batch": batch, "warnings": warnings})
    decision = Decision("d-1", "fine", "none", ("nothing speaks",), ())
    watched = [decide.Watched(batch, decision, "page") for batch in "ab"]
    last = f"{bounds[2]} (3 batches in a row: `everfit suite draft` proposes bounds from newer data)"
    assert decide.summary(SPEC, watched, [], {})["warnings"] == ["extra added", bounds[1], last]
    assert decide.summary(SPEC, [], [], {})["warnings"] == []
