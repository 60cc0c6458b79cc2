"""What the champion goes by, as a person at a terminal asks for it."""

import json
import sys
from types import SimpleNamespace

import pytest

from flows import cli
from tests.everfit.registry.conftest import client, frame, ledger, settings
from tests.everfit.serving.conftest import crown

__all__ = ["client", "frame", "ledger", "settings"]


@pytest.fixture
def explain(settings, ledger, frame, monkeypatch, capsys):
    """Run the command beside a champion whose colours are personal; returns its exit code and what it printed."""
    crown(settings, ledger, frame)
    settings.models.mkdir(parents=True)
    (settings.models / "bike.yaml").write_text("name: bike\ndata: {source: a.csv, target: cost, personal: [colour]}\n")
    frame.head(3).drop(columns="cost").to_csv(settings.workspace / "rows.csv", index=False)
    frame.head(3).rename(columns={"amount": "amuont"}).to_csv(settings.workspace / "typo.csv", index=False)
    monkeypatch.chdir(settings.workspace)

    def run(*words):
        monkeypatch.setattr("flows.cli.console.answered", False)
        monkeypatch.setattr(sys, "argv", ["everfit", "explain", "bike", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return SimpleNamespace(code=stop.value.code or 0, **capsys.readouterr()._asdict())

    return run


def test_it_says_what_matters_and_why_one_row_is_answered_so(explain):
    whole = explain("--json")
    assert whole.code == 0, whole.err
    told = json.loads(whole.out)
    assert (told["version"], told["overview"]["scale"]) == (1, "cost")
    assert {one["field"] for one in told["overview"]["importances"]} == {"amount", "count", "colour", "weekend", "when"}
    assert "colour" not in " ".join(told["overview"]["surrogate"]["rules"])
    assert "These rules say nearly the same (R2" in explain().out
    one = json.loads(explain("--data", "rows.csv", "--row", "2", "--json").out)
    parts = [each["contribution"] for each in one["explanation"]["contributions"]]
    assert one["explanation"]["base"] + sum(parts) == pytest.approx(one["explanation"]["value"], abs=1e-6)
    shown = explain("--data", "rows.csv", "--row", "2").out
    assert "bike v1 says" in shown
    assert "(personal)" in shown
    far, typo = explain("--data", "rows.csv", "--row", "3"), explain("--data", "typo.csv")
    assert (far.code, typo.code) == (2, 2)
    assert "There is no row 3: 3 were read" in far.err
    assert "no column 'amount'" in typo.err
    assert "Did you mean 'amuont'?" in typo.err
