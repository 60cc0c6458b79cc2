"""A feed that stands still is told by a run that finds nothing new, and a dead monitor by whoever else comes by."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from everfit.ledger import Ledger
from everfit.monitor import silence
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks import decide
from tasks.silence import leave_word, listen

DAY = timedelta(days=1)
SPEC = ModelSpec.model_validate(
    {"name": "m", "data": {"source": "x", "target": "y"}, "monitor": {"every": "1h"}},
)


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> Ledger:
    """The ledger of a model that was promoted, and had a batch each day until five days ago."""
    monkeypatch.chdir(tmp_path)
    ledger, now = Ledger.of(Settings()), datetime.now(UTC)
    ledger.swap_champion("m", expected=None, new=1, actor="ann", at=now - 20 * DAY)
    for days in range(19, 4, -1):
        ledger.record("ingested", "m", subject=f"b{days}", actor="everfit", at=now - days * DAY)
    return ledger


def test_a_run_that_finds_nothing_for_longer_than_usual_asks_to_look_at_the_feed(ledger):
    told = decide.summary(SPEC, [], [], {})
    assert told["verdict"] == "watch"
    assert told["reasons"][0].startswith("nothing new came in: the last came 5.0 days ago; usually it takes 24 hours")
    assert told["next_steps"]
    assert told["findings"][0]["signal"] == "staleness"
    ledger.record("ingested", "m", subject="new", actor="everfit")
    assert decide.summary(SPEC, [], [], {})["reasons"] == ["nothing new came in"]


def test_a_training_warns_that_nobody_watches_until_a_run_has_left_word(ledger, caplog):
    caplog.set_level(logging.WARNING)
    listen(SPEC)
    assert "nothing was watched for 20.0 days, and monitor.every says 1h" in caplog.text
    leave_word(SPEC, 0)
    caplog.clear()
    listen(SPEC)
    assert not caplog.text
    assert silence.of(ledger, SPEC).judged
