"""The commands as a person meets them: one clear error, a fitting exit code, and nothing half-written."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.simulation import rentals
from everfit.spec import load_spec
from flows import cli


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace with a file of data in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVERFIT_HOME", raising=False)
    rentals(0, 14).to_parquet("rentals.parquet", index=False)
    return tmp_path


@pytest.fixture
def everfit(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., SimpleNamespace]:
    """Run a command in this process; returns its exit code, stdout and stderr."""

    def run(*words: str) -> SimpleNamespace:
        monkeypatch.setattr("flows.cli.console.answered", False)
        monkeypatch.setattr(sys, "argv", ["everfit", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return SimpleNamespace(code=stop.value.code or 0, out=out, err=err)

    return run


NEW = ("new", "bike", "--data", "rentals.parquet", "--target", "rentals", "--time", "hour")


def test_new_writes_a_model_file_and_a_suite_that_check_finds_right(everfit, here):
    assert everfit(*NEW).code == 0
    checked = everfit("check", "bike", "--json")
    assert checked.code == 0
    assert json.loads(checked.out)["ok"] is True
    assert {path.name for path in here.rglob("*.yaml")} == {"bike.yaml"}
    assert load_spec("bike", here / "deployments/models").monitor.min_rows <= 336, "a week of half hours is watched"


def test_new_reads_a_database_with_a_query_and_check_finds_it_right(everfit, here):
    with closing(sqlite3.connect("shop.db")) as shop:
        rentals(0, 14).to_sql("rentals", shop, index=False)
    bare = everfit("new", "bike", "--data", "sqlite:///shop.db", "--target", "rentals")
    assert bare.code == 2
    assert "--query" in bare.err
    file = everfit("new", "bike", "--data", "rentals.parquet", "--target", "rentals", "--query", "SELECT 1")
    assert file.code == 2
    assert "'rentals.parquet' is not a database URL" in file.err
    assert "--query only when --data is such a URL" in file.err
    query = 'SELECT * FROM rentals WHERE "station" IS NOT NULL'
    made = everfit("new", "bike", "--data", "sqlite:///shop.db", "--query", query, "--target", "rentals")
    assert made.code == 0, made.err
    assert everfit("check", "bike").code == 0
    assert load_spec("bike", here / "deployments/models").data.source.query == query


@pytest.mark.parametrize("target", ["1e5", "0x1F", "on", "a: b", 'say "x"', "back\\slash", "two\nlines", "🚲"])
def test_the_model_file_means_the_column_that_was_meant(everfit, here, target):
    rentals(0, 14).rename(columns={"rentals": target}).to_parquet("rentals.parquet", index=False)
    made = everfit("new", "bike", "--data", "rentals.parquet", "--target", target, "--time", "hour")
    assert made.code == 0, made.err
    assert load_spec("bike", here / "deployments/models").data.target == target


@pytest.mark.parametrize(
    ("column", "said"),
    [("temperature", "does not say when a row happened"), ("weather", "cannot be read as dates of one form")],
)
def test_a_time_column_that_tells_no_time_is_refused(everfit, here, column, said):
    ended = everfit("new", "bike", "--data", "rentals.parquet", "--target", "rentals", "--time", column)
    assert ended.code == 2
    assert said in ended.err
    assert not list(here.rglob("*.yaml"))


def test_new_replaces_nothing_unless_it_is_told_to(everfit, here):
    everfit(*NEW)
    model = here / "deployments/models/bike.yaml"
    model.write_text("name: mine\n")
    refused = everfit(*NEW)
    assert refused.code == 2
    assert "--force" in refused.err
    assert model.read_text() == "name: mine\n"
    assert everfit(*NEW, "--force").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "bike", "--data", "rentals.parquet", "--target", "rental"), "Did you mean 'rentals'?"),
        (("serve", "bike", "--port", "99999"), "less than or equal to 65535"),
        (
            ("new", "bike", "--data", "rentals.parquet", "--target", "rentals", "--time", "hours"),
            "Did you mean 'hour'?",
        ),
        (("new", "bike", "--data", "rental.parquet", "--target", "rentals"), "rentals.parquet"),
        (("new", "Bike!", "--data", "rentals.parquet", "--target", "rentals"), "not a name for a model"),
        (("train", "bike"), "everfit new bike"),
        (("train", "bike", "--refit", "--data-version", "1"), "--data-version repeats a search"),
        (("predict", "bike", "--input", "a.csv", "--output", "b.csv"), "everfit new bike"),
        (("history", "--at", "yesterday"), "is not a time"),
        (("suite", "test", "bike", "--data", "rentals.parquet"), "bike"),
    ],
)
def test_a_wrong_word_is_an_error_that_says_what_to_do(everfit, here, words, said):
    ended = everfit(*words)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert not list(here.rglob("*.yaml"))


@pytest.mark.parametrize(
    "words", ["predict bike --output p.csv --input", "monitor bike --data", "monitor bike --labels"]
)
def test_a_secret_is_refused_before_a_run_is_named_after_it(everfit, words):
    ended = everfit(*words.split(), "s3://KEY:hunter2@bucket/x.csv")
    assert (ended.code, "holds a password" in ended.err) == (2, True)
    assert "hunter2" not in ended.err


def test_a_typo_in_the_model_file_is_found_before_anything_starts(everfit, here):
    everfit(*NEW)
    model = here / "deployments/models/bike.yaml"
    model.write_text(model.read_text().replace("retrain:", "retrian:"))
    ended = everfit("train", "bike")
    assert ended.code == 2
    assert "Did you mean 'retrain'?" in ended.err
    assert "bike.yaml:" in ended.err
    assert not (here / ".everfit" / "prefect").exists()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda p: p.write_bytes(b""), "no rows"),
        (lambda p: p.write_text("PAR1 and then nothing"), "Parquet"),
        (lambda p: rentals(0, 14).iloc[:0].to_parquet(p), "no rows"),
        (lambda p: rentals(0, 14).assign(rentals=None).to_parquet(p), "rentals"),
        (lambda p: rentals(0, 14).assign(rentals=1).to_parquet(p), "rentals"),
        (lambda p: rentals(0, 14).iloc[:2].to_parquet(p), "2 row"),
    ],
    ids=["empty", "corrupt", "header only", "target all null", "constant target", "two rows"],
)
def test_data_that_no_model_can_learn_from_are_one_clear_error(everfit, here, write, said):
    write(here / "rentals.parquet")
    ended = everfit(*NEW)
    assert ended.code == 2
    assert said.lower() in ended.err.lower()
    assert "Traceback" not in ended.err
    assert not list(here.rglob("*.yaml"))


def test_a_sample_that_breaks_a_critical_rule_ends_with_three(everfit, here):
    everfit(*NEW)
    rentals(0, 14, fault="unit").to_parquet("rentals.parquet", index=False)
    ended = everfit("check", "bike")
    assert ended.code == 3
    assert "temperature" in ended.out


def test_a_suite_can_be_drafted_and_tried(everfit):
    assert everfit("suite", "draft", "mine", "--data", "rentals.parquet", "--time", "hour").code == 0
    tried = everfit("suite", "test", "mine", "--data", "rentals.parquet", "--json")
    assert tried.code == 0
    assert json.loads(tried.out)["rows"] == 14 * 24 * 6
    rentals(0, 14, fault="unit").to_parquet("bad.parquet", index=False)
    assert everfit("suite", "test", "mine", "--data", "bad.parquet").code == 3


def test_the_history_of_nothing_is_empty_and_its_ledger_is_whole(everfit):
    assert json.loads(everfit("history", "--json").out)["entries"] == []
    verified = everfit("audit", "verify")
    assert (verified.code, verified.out) == (0, "The ledger is empty: nothing was recorded yet.\n")


def test_history_is_not_wrapped_in_a_pipe_and_says_when_its_end_was_cut_off(here):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    ledger = Ledger.of(Settings())
    for new, old in ((1, None), (2, 1), (3, 2)):
        ledger.swap_champion("bike", expected=old, new=new, actor="ann", reason="x" * 60)
    words = [Path(sys.executable).with_name("everfit"), "history"]
    whole = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert len([line for line in whole.stdout.splitlines() if "x" * 60 in line]) == 3
    assert whole.stderr == ""
    with closing(sqlite3.connect(Settings().home / "ledger.db")) as db, db:
        db.execute("DROP TRIGGER ledger_no_delete")
        db.execute("DELETE FROM ledger WHERE seq = 3")
    cut = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert "Rows of the ledger are missing" in cut.stderr


def test_a_home_that_cannot_be_made_is_said_so(everfit, here, monkeypatch):
    everfit(*NEW)
    (here / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("EVERFIT_HOME", str(here / "taken"))
    ended = everfit("train", "bike")
    assert ended.code == 2
    assert "cannot be written" in ended.err


def test_a_prefect_api_that_does_not_answer_ends_with_six(everfit, monkeypatch):
    everfit(*NEW)
    monkeypatch.setenv("EVERFIT_PREFECT_API", "http://127.0.0.1:9/api")
    ended = everfit("train", "bike")
    assert ended.code == 6
    assert "127.0.0.1:9" in ended.err


def test_help_imports_nothing_heavy():
    heavy = {"prefect", "mlflow", "evidently", "pandas", "numpy", "sklearn", "optuna", "pydantic", "great_expectations"}
    code = f"import sys, flows.cli; print([name for name in {heavy!r} if name in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_the_schema_of_a_model_file_names_every_part(everfit):
    schema = json.loads(everfit("schema").out)
    assert {"name", "data", "suites", "search", "promotion", "monitor", "retrain"} <= set(schema["properties"])


def test_an_error_is_one_json_object_too(everfit):
    ended = everfit("train", "bike", "--json")
    assert ended.code == 2
    assert "There is no model 'bike'" in json.loads(ended.out)["error"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [("banana", "is not a duration"), ("15", "is not a duration"), ("0.5s", "one second at least")],
)
def test_a_budget_that_is_no_duration_writes_nothing(everfit, here, budget, said):
    ended = everfit(*NEW, "--budget", budget)
    assert ended.code == 2
    assert said in ended.err
    assert not list(here.rglob("*.yaml"))


def test_a_mistake_in_the_model_file_does_not_stand_in_the_way_of_a_rollback(everfit, here):
    everfit(*NEW)
    path = here / "deployments/models/bike.yaml"
    path.write_text(path.read_text().replace("target:", "tarrget:"))
    assert "tarrget" in everfit("rollback", "bike").err
    Ledger.of(Settings()).swap_champion("bike", expected=None, new=1, actor="ann")
    assert "v1 is the only champion there ever was" in everfit("rollback", "bike").err
    assert "no version waits for approval" in everfit("promote", "bike").err
