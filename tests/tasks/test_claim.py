"""How a training that failed is told: by what it had decided before, if it got as far."""

from pathlib import Path

import pytest

from everfit.errors import NotBegun, Unavailable
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.claim import claim, run_key

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "d.csv", "target": "y"}})


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.chdir(tmp_path)
    return Ledger.of(Settings())


def train(ledger: Ledger, decision: str, error: BaseException, *, promoted: bool) -> list[str]:
    """Let a training fail with an error, after its promotion or before; return what the ledger then says of it."""
    if decision:
        ledger.once("retrain_wanted", "m", decision, actor="a run", reason="it moved")
    facts = {"decision": decision} if decision else {"training": run_key()}

    def training() -> None:
        with claim(SPEC, decision, "a reason", None) as mine:
            assert mine
            if promoted:
                ledger.swap_champion("m", expected=None, new=1, actor="a run", facts=facts)
            raise error

    with pytest.raises(type(error)):
        training()
    return [entry.kind for entry in ledger.entries("m")]


@pytest.mark.parametrize("error", [OSError("the table could not be drawn"), Unavailable("MLflow is down.")])
def test_what_fails_after_the_promotion_undoes_nothing(ledger, error):
    told = ["retrain_wanted", "retrain_started", "promoted", "retrain_finished"]
    assert train(ledger, "d1", error, promoted=True) == told
    assert ledger.wanted("m") == []


def test_a_training_by_hand_that_fails_after_its_promotion_is_not_told_as_failed(ledger):
    assert train(ledger, "", OSError("no room"), promoted=True) == ["train_started", "promoted"]


@pytest.mark.parametrize(
    ("decision", "error", "told"),
    [
        ("", OSError("no room"), ["train_started", "train_failed"]),
        ("d1", OSError("no room"), ["retrain_wanted", "retrain_started", "retrain_failed"]),
        ("d1", Unavailable("MLflow is down."), ["retrain_wanted", "retrain_started", "retrain_released"]),
        ("d1", NotBegun("The machine was too busy."), ["retrain_wanted", "retrain_started", "retrain_released"]),
    ],
)
def test_what_fails_before_it_has_failed_or_is_tried_again(ledger, decision, error, told):
    assert train(ledger, decision, error, promoted=False) == told


@pytest.mark.parametrize(
    ("decision", "told"), [("", ["train_started", "train_failed"]), ("d1", ["retrain_wanted", "retrain_started"])]
)
def test_a_training_by_hand_ends_with_ctrl_c_and_a_decision_stays_wanted(ledger, decision, told):
    assert train(ledger, decision, KeyboardInterrupt(), promoted=False) == told
