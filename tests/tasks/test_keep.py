"""What counts as nothing new: the same rows with the same labels, whatever the version of their table."""

from dataclasses import asdict, replace

import pytest

from everfit.lake import Snapshot
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.keep import keep, same_rows

LEARNT = Snapshot("bike", "/lake/bike", 3, "abc", 900, ("one",), labels_version=2, labels_digest="said")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"version": 4, "labels_version": 5}, True),
        ({"digest": "abd"}, False),
        ({"labels_digest": "said more"}, False),
        ({"labels_digest": ""}, False),
    ],
)
def test_rows_are_the_same_when_they_and_their_labels_are(change, same):
    assert same_rows(asdict(LEARNT), replace(LEARNT, **change)) is same


def test_a_version_whose_registration_is_not_known_is_like_no_other():
    assert not same_rows({}, LEARNT)


def test_a_challenger_that_was_refused_has_learnt_what_was_there_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec.model_validate({"name": "bike", "data": {"source": "x", "target": "y"}})
    ledger = Ledger.of(Settings())
    ledger.swap_champion("bike", expected=None, new=1, actor="ann")
    ledger.record("registered", "bike", subject="v2", actor="ann", facts={"version": 2, "data": asdict(LEARNT)})
    assert keep.fn(spec, LEARNT, "d-1") is None
    refused = {"version": 2, "champion": 1, "decision": "d-0", "scores": {"champion": 1.0}}
    for subject, other in enumerate([{"expected": 3}, {"decision": ""}, {"scores": {}}]):
        ledger.record("promotion_refused", "bike", subject=str(subject), actor="ann", facts=refused | other)
    assert keep.fn(spec, LEARNT, "d-1") is None
    ledger.record("promotion_refused", "bike", subject="v2", actor="ann", facts=refused)
    kept = keep.fn(spec, LEARNT, "d-1")
    assert kept["reasons"] == ["nothing new to learn from since v2, which was refused"]
    assert ledger.entries("bike", kinds=["retrain_finished"])[0].subject == "d-1"
    assert keep.fn(spec, replace(LEARNT, digest="more"), "d-2") is None
