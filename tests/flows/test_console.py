import json
import logging
import signal

import pytest
from rich.console import Console

from everfit.errors import InputError
from everfit.search import Progress, Standing
from flows.cli import console, look
from flows.cli.live import Live


@pytest.mark.parametrize(("verdict", "shown"), [("fine", False), ("watch", False), ("retrain", True)])
def test_only_a_retraining_that_was_called_for_is_held_back(verdict, shown, capsys):
    said = {"model": "m", "verdict": verdict, "in_short": f"{verdict}, refit of recent rows", "action": "none"}
    said |= {"reasons": ["why"], "blockers": ["few labels"]}
    more = {"warnings": ["extra added"], "next_steps": ["look at it"], "retraining": None, "report": "page.html"}
    console.SHOW["monitor"](said | more)
    told = capsys.readouterr()
    assert told.out.startswith(f"m: {verdict}, refit of recent rows\n")
    assert "  look at it\n" in told.out
    assert "extra added" in told.out
    assert "why" in told.out + told.err
    assert ("held back: few labels" in told.out + told.err) == shown
    console.SHOW["monitor"](said | more | {"wanted": "none", "diagnosis": "the world changed: it did."})
    told = capsys.readouterr().out
    assert "held back" not in told
    assert told.index("  the world changed: it did.\n") < told.index("  why\n")
    console.SHOW["monitor"](said | more | {"wanted": "refit", "decision": "e9d41f"})
    told = capsys.readouterr().out
    assert "held back: few labels" in told
    assert told.endswith("  decision: e9d41f\n")


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"started": "by event"}, "a retraining was started by event, for decision d-1"),
        ({"started": "here", "sentence": "m v1 stays champion: nothing new"}, "m v1 stays champion: nothing new"),
    ],
)
def test_what_became_of_a_retraining_is_said_in_one_line(more, shown, capsys):
    said = {"model": "m", "verdict": "retrain", "in_short": "retrain, search", "action": "search", "reasons": []}
    said |= {"blockers": [], "warnings": [], "next_steps": []}
    console.SHOW["monitor"]({**said, "retraining": {"decision": "d-1", **more}})
    told = capsys.readouterr()
    assert shown in told.out + told.err


def test_a_log_has_no_spinner_and_is_told_of_the_milestones(capsys, monkeypatch):
    runs = logging.getLogger(console.RUN_LOGGERS[1])
    for name, value in {"level": logging.INFO, "handlers": [], "propagate": False}.items():
        monkeypatch.setattr(runs, name, value)  # whatever Prefect has made of it in this process
    with console.progress("backtest m") as listen:
        listen()
        for done in (1, 2):
            about = {"step": "backtest", "passing": True, "milestone": done == 2, "send_to_api": False}
            runs.info("never refit: %d of 2", done, extra=about)
    assert capsys.readouterr().err.split("\n") == ["backtest m", "      backtest  never refit: 2 of 2", ""]


def test_ctrl_c_is_answered_and_still_ends_the_command(capsys):
    with pytest.raises(KeyboardInterrupt), console.told_of_ctrl_c():
        signal.raise_signal(signal.SIGINT)
    assert "because of Ctrl-C" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def told():
    """What is kept of a search."""
    columns = ["Rank", "Model", "mae ± 95 %", "Fit s", "Row ms", "MB", "What happened"]
    rows = [
        ["1", "Blend of 2", "9.12 ± 0.30", "1.20", "4.1", "2.00", ""],
        ["2", "CatBoost", "10.00 ± 0.30", *"–––", ""],
    ]
    said = {"headline": "Blend of 2 won with mae 9.12 ± 0.30", "lines": ["It took 38 s."], "notes": []}
    board = {"columns": columns, "rows": rows, "more": 7, "failures": ["MLP failed: x"]}
    return {"model": "bike", "blend": ["60% CatBoost (trial 1)"], "page": "bike/search-1/report.html", **said, **board}


def test_the_leaderboard_of_the_last_search_can_be_looked_at_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVERFIT_HOME", str(tmp_path))
    monkeypatch.setenv("EVERFIT_WORKSPACE", str(tmp_path))
    (tmp_path / "deployments" / "models").mkdir(parents=True)
    (tmp_path / "deployments" / "models" / "bike.yaml").write_text("name: bike\ndata: {source: d.csv, target: y}\n")
    with pytest.raises(InputError, match="no search has ended"):
        look.leaderboard("bike")
    (tmp_path / "reports" / "bike" / "search-1").mkdir(parents=True)
    (tmp_path / "reports" / "bike" / "search-1" / "search.json").write_text(json.dumps(told()))
    look.leaderboard("bike")
    shown = capsys.readouterr().out
    assert "Blend of 2   9.12 ± 0.30" in shown
    assert "CatBoost    10.00 ± 0.30" in shown
    assert "of 9 that were ranked" in shown
    assert "MLP failed: x" in shown
    assert "report: bike/search-1/report.html" in shown
    look.leaderboard("bike", as_json=True)
    assert json.loads(capsys.readouterr().out) == told()


def test_a_search_that_runs_is_one_view_with_the_way_to_the_best_score():
    live, screen = Live(), Console(width=100)
    families = (Standing("catboost", 3, 1, 1, 0.4), Standing("mlp", 0, 0, 1))
    for seconds, best in ((1.0, 0.9), (5.0, 0.6), (10.0, 0.4)):
        view = live.view(f"best {best}", Progress(3, 1, best, "catboost", seconds, 60.0, families))
    with screen.capture() as caught:
        screen.print(view)
    first, *lines = caught.get().splitlines()
    assert first.startswith("best 0.4  ▁")
    assert first.endswith("█")
    assert any("CatBoost" in line and "0.4" in line and "●" in line for line in lines)
    assert any("Neural network" in line for line in lines)
