import pytest

from flows.cli import console


@pytest.mark.parametrize(("verdict", "shown"), [("fine", False), ("watch", False), ("retrain", True)])
def test_only_a_retraining_that_was_called_for_is_held_back(verdict, shown, capsys):
    said = {"model": "m", "verdict": verdict, "action": "none", "reasons": ["why"], "blockers": ["few labels"]}
    console.SHOW["monitor"]({**said, "retraining": None, "report": "page.html"})
    told = capsys.readouterr()
    assert "why" in told.out + told.err
    assert ("held back: few labels" in told.out + told.err) == shown
