"""A search that takes hours is ended by a person, in another process, and its training goes on with the best so far."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from everfit import scaffold
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.simulation import rentals
from tests.flows.test_bad_input import everfit
from tests.flows.test_up import until


def test_a_person_ends_a_search_whose_training_goes_on(tmp_path, prefect_api, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERFIT_PREFECT_API", prefect_api)
    rentals(0, 20).to_parquet("history.parquet", index=False)
    settings = Settings()
    scaffold.create(settings, "bike", "history.parquet", "rentals", time="hour", budget="4h", force=False)
    path = settings.models / "bike.yaml"
    path.write_text(path.read_text().replace("{budget: 4h}", "{budget: 4h, estimators: [lightgbm, linear]}"))
    with ThreadPoolExecutor() as aside:
        asked = aside.submit(stop_after_three_trials, settings)
        trained = everfit("train", "bike")
        stopped = asked.result()
    told = [entry.kind for entry in Ledger.of(settings).entries("bike")]
    said = capsys.readouterr().err
    assert (trained, stopped.returncode) == (0, 0), said + stopped.stderr
    assert told[-4:] == ["stop_wanted", "searched", "registered", "promoted"]
    assert Ledger.of(settings).champion("bike") == 1
    assert "bike: the search was asked to end with the best so far: good enough" in stopped.stdout
    assert "asked to stop, and ends with the best so far" in said
    assert everfit("stop", "bike") == 2
    assert "no training is under way" in capsys.readouterr().err


def stop_after_three_trials(settings: Settings) -> subprocess.CompletedProcess[str]:
    until(lambda: list((settings.home / "search").rglob("said-2-*.npy")), 200)
    command = [Path(sys.executable).with_name("everfit"), "stop", "bike", "--reason", "good enough"]
    return subprocess.run(command, capture_output=True, text=True, check=False)
