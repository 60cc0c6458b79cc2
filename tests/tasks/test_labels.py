"""Which labels that came alone are to be judged."""

from pathlib import Path

import pandas as pd
import pytest

from everfit.lake import Lake, labels
from everfit.ledger import Ledger
from everfit.reserved import ORDER
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.labels import _arrived
from tests.keeping import keep

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "y", "ids": ["sale"]}})


def judge_labels(ledger: Ledger, lake: Lake, sale: int, champion: int) -> str:
    """Keep one label, and judge it for a champion."""
    said = labels.read(pd.DataFrame({"sale": [sale], "y": [1.0]}), SPEC.data, "number", "labels.csv")
    lake.record_labels("m", said, "labels.csv")
    version, name = int(lake.labels("m")[ORDER].max()), f"labels {sale}"
    ledger.record("labelled", "m", subject=name, actor="ann", facts={"labels": 1, "version": version})
    facts = {"evidence": {"batch": name, "champion": champion}, "decision": {}}
    ledger.record("drift_judged", "m", subject=f"d{sale}", actor="ann", facts=facts)
    return name


def test_after_a_rollback_all_labels_that_were_judged_of_what_was_taken_back_are_to_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lake, ledger = Lake(Settings()), Ledger.of(Settings())
    keep(lake, "m", pd.DataFrame({"sale": [1, 2, 3]}), version=1, batch_digest="p")
    for version in (1, 2):
        facts = {"version": version, "root": 1, "data": {}}
        ledger.record("registered", "m", subject=f"v{version}", actor="ann", facts=facts)
    ledger.swap_champion("m", expected=None, new=1, actor="ann")
    judge_labels(ledger, lake, 1, champion=1)
    ledger.swap_champion("m", expected=1, new=2, actor="ann")
    judge_labels(ledger, lake, 2, champion=2)
    latest = judge_labels(ledger, lake, 3, champion=2)
    known = lake.labels("m")
    assert _arrived(SPEC, lake, ledger, known, latest).joined == 1, "the latest, should they be judged again"
    ledger.swap_champion("m", expected=2, new=1, kind="rolled_back", actor="ann")
    assert _arrived(SPEC, lake, ledger, known, latest).joined == 2
