"""A search that takes hours is ended by a person, in another process, and its training goes on with the best so far."""

import os
import subprocess
import sys
import time

import pytest

from everfit import scaffold
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.simulation import rentals
from flows import cli


def test_a_person_ends_a_search_whose_training_goes_on(tmp_path, prefect_api, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERFIT_PREFECT_API", prefect_api)
    rentals(0, 20).to_parquet("history.parquet", index=False)
    settings = Settings()
    scaffold.create(settings, "bike", "history.parquet", "rentals", time="hour", budget="4h", force=False)
    monkeypatch.setattr(sys, "argv", ["everfit", "stop", "bike", "--reason", "good enough"])
    command = [sys.executable, "-c", "from flows.cli import main; import sys; sys.argv[1:] = ['train', 'bike']; main()"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with (
        (tmp_path / "out.txt").open("w") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env=env) as training,
    ):
        try:
            while training.poll() is None and not list((settings.home / "search").rglob("said-2-*.npy")):
                time.sleep(0.1)
            codes = [_code()]
            training.wait(200)
        finally:
            training.kill()
    codes.append(_code())
    told = [entry.kind for entry in Ledger.of(settings).entries("bike")]
    assert (training.returncode, codes) == (0, [None, 2]), (tmp_path / "out.txt").read_text()
    assert told[-4:] == ["stop_wanted", "searched", "registered", "promoted"]
    assert Ledger.of(settings).champion("bike") == 1
    said = capsys.readouterr()
    assert "bike: the search was asked to end with the best so far: good enough" in said.out
    assert "no training is under way" in said.err
    assert "asked to stop, and ends with the best so far" in (tmp_path / "out.txt").read_text()


def _code():
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code
