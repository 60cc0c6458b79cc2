"""`everfit backtest` as a person meets it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import cli
from tests.everfit.backtest import planted_history as planted

MODEL = """
name: toy
data: {source: history.parquet, target: y, time: day}
search: {estimators: [linear]}
"""


@pytest.fixture
def everfit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prefect_api: str
) -> Callable[..., tuple[int, str]]:
    """Run a command in a workspace with the planted history; returns its exit code and what it said on stdout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERFIT_PREFECT_API", prefect_api)
    planted.history().to_parquet("history.parquet", index=False)
    path = tmp_path / "deployments" / "models" / "toy.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(MODEL)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("flows.cli.console.answered", False)
        monkeypatch.setattr(sys, "argv", ["everfit", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0), capsys.readouterr().out

    return run


def test_it_answers_with_one_object_a_table_and_a_page_and_does_not_do_things_twice(everfit, tmp_path):
    asked = ("backtest", "toy", "--batch", "1d", "--warmup", str(planted.WARM / planted.DAYS), "--trials", "1")
    code, out = everfit(*asked, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["policies"][0]["refused"] == 1
    assert told["policies"][0]["score"] < told["policies"][1]["score"]
    remembered = {path: path.stat().st_mtime_ns for path in (tmp_path / ".everfit" / "backtests").rglob("*.joblib")}
    assert len(remembered) == 7  # the first model and six policies, of which three are windows

    code, out = everfit(*asked, "--policy", "deployments/models/toy.yaml")
    assert code == 0
    assert told["headline"] in out
    assert told["legend"] in out
    assert next(row for row in told["rows"] if row[0] == "this policy")[1] in out
    assert Path(told["report"]).is_file()
    assert {path: path.stat().st_mtime_ns for path in remembered} == remembered


def test_a_mistake_is_told_at_once(everfit):
    assert everfit("backtest", "toy", "--batch", "soon", "--json")[0] == 2
    code, out = everfit("backtest", "toy", "--policy", "nowhere.yaml", "--json")
    assert (code, "nowhere.yaml cannot be read" in json.loads(out)["error"]) == (2, True)
    assert everfit("backtest", "toy", "--budget", "little")[0] == 2
