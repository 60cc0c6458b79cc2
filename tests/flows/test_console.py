import signal

import pytest

from flows.cli import console


@pytest.mark.parametrize(("verdict", "shown"), [("fine", False), ("watch", False), ("retrain", True)])
def test_only_a_retraining_that_was_called_for_is_held_back(verdict, shown, capsys):
    said = {"model": "m", "verdict": verdict, "action": "none", "reasons": ["why"], "blockers": ["few labels"]}
    more = {"warnings": ["extra added"], "next_steps": ["look at it"], "retraining": None, "report": "page.html"}
    console.SHOW["monitor"](said | more)
    told = capsys.readouterr()
    assert "  look at it\n" in told.out
    assert "extra added" in told.out
    assert "why" in told.out + told.err
    assert ("held back: few labels" in told.out + told.err) == shown


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"started": "by event"}, "a retraining was started by event, for decision d-1"),
        ({"started": "here", "sentence": "m v1 stays champion: nothing new"}, "m v1 stays champion: nothing new"),
    ],
)
def test_what_became_of_a_retraining_is_said_in_one_line(more, shown, capsys):
    said = {"model": "m", "verdict": "retrain", "action": "retrain", "reasons": [], "blockers": [], "warnings": []}
    said["next_steps"] = []
    console.SHOW["monitor"]({**said, "retraining": {"decision": "d-1", **more}})
    told = capsys.readouterr()
    assert shown in told.out + told.err


def test_ctrl_c_is_answered_and_still_ends_the_command(capsys):
    with pytest.raises(KeyboardInterrupt), console.told_of_ctrl_c():
        signal.raise_signal(signal.SIGINT)
    assert "because of Ctrl-C" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
