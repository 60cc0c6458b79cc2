"""Where the demo makes its workspace. That it runs to its end is shown by running it, which `.ci/run` does."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import pytest

from everfit.errors import EverfitError, InputError
from everfit.ledger import Ledger
from flows import demo


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder and an environment of its own: the demo changes both."""
    monkeypatch.chdir(tmp_path)
    with patch.dict(os.environ):
        yield


def test_a_second_demo_begins_afresh(tmp_path):
    for _ in range(2):
        demo._workspace(tmp_path / "story")
        assert not Path("left.txt").exists()
        Path("left.txt").touch()


def test_a_removal_that_was_killed_is_finished_by_the_next_demo(tmp_path):
    def killed(folder):
        (folder / demo.MARK).unlink()
        raise KeyboardInterrupt

    demo._workspace(tmp_path / "story")
    Path("left.txt").touch()
    with patch.object(demo.shutil, "rmtree", killed), pytest.raises(KeyboardInterrupt):
        demo._workspace(tmp_path / "story")
    demo._workspace(tmp_path / "story")
    assert list(tmp_path.rglob("left.txt")) == []


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_no_demo_made_is_left_alone(tmp_path, again):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious.csv").touch()
    for _ in range(1 + again):
        with pytest.raises(InputError, match="holds something that is not of a demo"):
            demo._workspace(mine)
    assert [path.name for path in mine.iterdir()] == ["precious.csv"]


def test_no_service_of_whoever_runs_it_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://production:4200/api")
    monkeypatch.setenv("EVERFIT_LEDGER_URL", "postgresql://production/ledger")
    assert demo._workspace(tmp_path / "story").prefect_api == ""


PARTS = {
    "a first model became champion": ("promoted", {"version": 1, "replaced": None}, ""),
    "broken rows went to quarantine": ("ingested", {"quarantined": 7}, ""),
    "a batch was refused": ("refused_batch", {}, ""),
    "the champion learnt again from newer rows": ("promoted", {"version": 2, "replaced": 1}, "refit of recent rows"),
    "the loss was found to have risen": ("drift_judged", {"verdict": "retrain"}, ""),
}


def lived(folder: Path, without: str | None = None) -> Ledger:
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    for part, (kind, facts, reason) in PARTS.items():
        if part != without:
            ledger.record(kind, demo.MODEL, subject=part, actor="ann", reason=reason, facts=facts)
    return ledger


@pytest.mark.parametrize("missing", [None, *PARTS])
def test_a_story_that_lacks_a_part_is_an_error(tmp_path, missing):
    ledger = lived(tmp_path, without=missing)
    ledger.record("drift_judged", demo.MODEL, subject="last", actor="ann", facts={"verdict": "fine"})
    with pytest.raises(EverfitError, match=f"{missing}: 0 times") if missing else nullcontext():
        demo._prove(ledger.entries())


def test_a_loss_that_stays_high_must_have_led_to_a_search(tmp_path):
    ledger = lived(tmp_path)
    with pytest.raises(EverfitError, match="the loss stayed high, and no search followed"):
        demo._prove(ledger.entries())
    ledger.record("retrain_wanted", demo.MODEL, subject="d", actor="ann", facts={"how": "search"})
    demo._prove(ledger.entries())
