"""`everfit replay` says by its output and its exit code whether a decision comes out again."""

import json
from datetime import UTC, datetime

import pytest
import typer

from everfit.ledger import Ledger
from everfit.monitor.decision import Evidence
from everfit.monitor.findings import Finding
from everfit.settings import Settings
from everfit.spec import ModelSpec
from flows.cli import look
from tasks import decide

SPEC = ModelSpec.model_validate({"name": "bike", "data": {"source": "d.csv", "target": "y"}})
LOSS = Finding("performance", "the mean loss rose by 30%", severity="retrain", effect=0.3)
SEEN = Evidence(
    "bike", "b" * 64, 7, datetime(2026, 11, 22, 3, tzinfo=UTC), 900, champion=3, labels=900, findings=(LOSS,)
)


def test_a_decision_of_the_monitor_is_identical_and_an_altered_one_is_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVERFIT_HOME", str(tmp_path))
    book = Ledger.of(Settings())
    _, made = decide._recorded(SPEC, book, SEEN, "page", None)

    def replay(decision, as_json=False):
        with pytest.raises(typer.Exit) as ended:
            look.replay(decision, as_json)
        return ended.value.exit_code, capsys.readouterr().out

    (entry,) = book.entries(kinds=["drift_judged"])
    assert replay(made.id) == (0, f"identical\n  bike, {entry.at:%Y-%m-%dT%H:%M}: retrain, action search\n")
    code, out = replay(made.id, as_json=True)
    assert (code, json.loads(out)["identical"]) == (0, True)
    wrong = {**entry.facts, "decision": {**entry.facts["decision"], "verdict": "fine"}}
    book.record("drift_judged", "bike", subject="f" * 16, actor="ann", facts=wrong)
    code, out = replay("f" * 16)
    assert code == 1
    assert out.startswith("1 value(s) differ\n")
    assert '  verdict: "fine" -> "retrain"\n' in out
