import json

from everfit.monitor.findings import Finding, finite, listed


def test_a_finding_that_could_not_judge_asks_for_nothing():
    finding = Finding.cannot_judge("performance", "12 labels")
    assert not finding.judged
    assert not finding.speaks


def test_a_finding_comes_back_from_json_as_it_was():
    finding = Finding("input drift", "2 columns", severity="watch", columns=("a", "b"), statistic=1.5, effect=0.2)
    assert Finding.from_dict(json.loads(json.dumps(finding.to_dict(), allow_nan=False))) == finding


def test_numbers_that_json_does_not_know_become_nothing():
    assert finite(float("inf")) is None
    assert finite(float("nan")) is None
    assert finite(0.12345678) == 0.123457


def test_long_lists_are_counted():
    assert listed(["a", "b", "c"], shown=2) == "a, b and 1 more"
    assert listed(("a", "b")) == "a, b"
