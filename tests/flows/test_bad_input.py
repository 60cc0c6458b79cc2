"""Whatever goes wrong on the way in is one clear error, with a fitting exit code, and leaves nothing half-written."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.simulation import rentals
from flows import cli, talk

MODEL = """name: bike
data: {{source: {source}, target: {target}, time: hour}}
search: {{budget: 4m, trials: 1, estimators: [lightgbm]}}
"""
FEED = rentals(0, 14).head(600)
CLOSED = "127.0.0.1:9"


def write_model(source: str = "feed.parquet", target: str = "rentals") -> None:
    Path("deployments/models").mkdir(parents=True, exist_ok=True)
    Path("deployments/models/bike.yaml").write_text(MODEL.format(source=source, target=target))


def everfit(*words: str) -> int:
    """Run a command in this process, as whoever types it starts it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.cli.console.answered", False)
        patch.setattr(sys, "argv", ["everfit", *words])
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def trained(moved_to: Callable[[str], Settings], prefect_api: str) -> Iterator[Path]:
    """A workspace whose model has a champion."""
    settings_of_prefect = talk._overlay

    def without_heartbeat(wanted: dict[str, str]) -> Any:  # joining its thread takes a second of every flow
        return settings_of_prefect({name: value for name, value in wanted.items() if "HEARTBEAT" not in name})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(talk, "_overlay", without_heartbeat)
        patch.setenv("EVERFIT_PREFECT_API", prefect_api)
        moved_to("bad_input")
        write_model()
        FEED.to_parquet("feed.parquet", index=False)
        assert everfit("train", "bike") == 0
        yield Path.cwd()


@pytest.fixture
def here(trained: Path) -> Iterator[Path]:
    """The workspace as a good day leaves it; whatever a bad one did to it must have left nothing half-done."""
    write_model()
    FEED.to_parquet("feed.parquet", index=False)
    yield trained
    settings = Settings()
    ledger = Ledger.of(settings)
    assert ledger.champion("bike") == 1
    assert ledger.verify().ok
    with sqlite3.connect(settings.home / "mlflow.db") as mlflow:
        assert mlflow.execute("SELECT DISTINCT status FROM runs").fetchall() == [("FINISHED",)]
        assert mlflow.execute("SELECT alias, version FROM registered_model_aliases").fetchall() == [("champion", 1)]
        runs, versions = (mlflow.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("runs", "model_versions"))
        assert runs == versions
    mlflow.close()
    assert not [path for path in trained.rglob("*") if ".half" in path.name or path.suffix in (".part", ".new")]
    unfinished = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}}
    assert talk.call(f"{os.environ['EVERFIT_PREFECT_API']}/flow_runs/count", unfinished) == 0


@pytest.fixture
def ended(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """Run a command; return how it ended, having seen that it said so once and clearly."""

    def run(*words: str) -> SimpleNamespace:
        capsys.readouterr()
        code = everfit(*words)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert "an error of its own" not in err
        if "--json" in words:
            assert len(out.splitlines()) == 1
        elif code == 2 or code == 6:
            assert out == ""
        return SimpleNamespace(code=code, out=out, err=err)

    return run


def feed(frame: pd.DataFrame) -> Callable[[], None]:
    return lambda: frame.to_parquet("feed.parquet", index=False)


def raw(content: bytes, name: str = "feed.parquet") -> Callable[[], None]:
    def write() -> None:
        Path(name).write_bytes(content)
        write_model(name)

    return write


def damaged() -> None:
    whole = Path("feed.parquet").read_bytes()
    Path("feed.parquet").write_bytes(whole[:200] + bytes(1000) + whole[1200:])


def query(url: str, text: str = "select 1 as a") -> Callable[[], None]:
    return lambda: write_model(f'{{url: "{url}", query: "{text}"}}')


def a_database() -> None:
    sqlite3.connect("shop.db").close()
    query("sqlite:///shop.db", "select * from rental")()


BAD_FEEDS = {
    "a missing file": (lambda: Path("feed.parquet").unlink(), 2, "feed.parquet does not exist"),
    "an empty file": (raw(b""), 3, "feed.parquet: it holds no rows"),
    "only a header": (raw(b"hour,rentals\n", "feed.csv"), 3, "feed.csv: it holds no rows"),
    "a wrong target": (lambda: write_model(target="rental"), 2, "Did you mean 'rentals'?"),
    "a target without values": (feed(FEED.assign(rentals=None)), 2, "'rentals' is empty in all 600 rows"),
    "a constant target": (feed(FEED.assign(rentals=3)), 2, "holds only one value, 3"),
    "an infinite target": (feed(FEED.assign(rentals=[np.inf, *range(599)])), 2, "is infinite in 1 row"),
    "two rows": (feed(FEED.head(2)), 2, "known in 2 row(s), and 10 are needed"),
    "a name twice": (raw(b"a,a,hour,rentals\n1,2,2024-01-01,3\n", "feed.csv"), 2, "more than one column named 'a'"),
    "a column of a new type": (feed(FEED.assign(temperature="warm")), 3, "temperature retyped: was number, is string"),
    "a column that is gone": (feed(FEED.drop(columns="wind")), 3, "wind removed"),
    "a Parquet file cut short": (raw(b"PAR1" + bytes(500)), 2, "not a whole Parquet file"),
    "a damaged Parquet file": (damaged, 2, "not a whole Parquet file"),
    "a query that fails": (a_database, 2, "no such table: rental"),
    "a missing database": (query("sqlite:///shpo.db"), 2, "database shpo.db does not exist"),
    "no URL": (query("not a url"), 2, "'not a url' is not a database URL"),
    "a missing variable": (query("${NO_SUCH_URL}"), 2, "The environment has no NO_SUCH_URL"),
    "an unknown database": (query("foo://there/x"), 2, "needs a driver that is not here"),
}


@pytest.mark.parametrize("feed", BAD_FEEDS)
def test_a_training_on_bad_input_is_one_clear_error(ended, feed):
    prepare, code, said = BAD_FEEDS[feed]
    prepare()
    trained = ended("train", "bike")
    assert (trained.code, said in trained.err) == (code, True), trained.err
    assert trained.err.count(said) <= 2


def test_one_class_is_one_clear_error_before_there_is_a_champion(here, ended):
    shutil.copy("deployments/models/bike.yaml", "deployments/models/classes.yaml")
    text = Path("deployments/models/classes.yaml").read_text().replace("bike", "classes", 1)
    Path("deployments/models/classes.yaml").write_text(text)
    FEED.assign(rentals="a").to_parquet("feed.parquet", index=False)
    trained = ended("train", "classes")
    assert (trained.code, "holds only one class, 'a'" in trained.err) == (2, True)


def test_what_is_on_schedule_waits_for_the_first_champion_and_one_by_hand_is_told_how_to_get_it(ended, monkeypatch):
    from flows.monitor import monitor
    from flows.predict import predict

    text = Path("deployments/models/bike.yaml").read_text().replace("bike", "young", 1)
    Path("deployments/models/young.yaml").write_text(text)
    asked = ended("monitor", "young")
    assert (asked.code, "everfit train young" in asked.err) == (2, True)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "monitor/young")
    for flow in (monitor, predict):
        state = flow("young", return_state=True)
        assert (state.type.value, state.name, "everfit train young" in state.message) == ("COMPLETED", "Skipped", True)


def drops(column: str) -> Callable[[], None]:
    return lambda: FEED.drop(columns=column).to_parquet("next.parquet", index=False)


def typed() -> None:
    FEED.assign(temperature="warm").to_parquet("next.parquet", index=False)


def scored_before() -> None:
    FEED.assign(prediction=1).to_parquet("next.parquet", index=False)


def nothing() -> None:
    FEED.to_parquet("next.parquet", index=False)
    Path("taken").write_text("a file, not a folder")


PREDICT = ("predict", "bike", "--input", "next.parquet", "--output")
BAD_COMMANDS = {
    "rows to score that are not there": (nothing, ("predict", "bike", "--input", "nxt.parquet", "--output", "p.csv"), 2,
                                         "Did you mean 'next.parquet'?"),
    "rows to score without a column": (drops("temperature"), (*PREDICT, "p.csv"), 3, "temperature removed"),
    "rows to score of another type": (typed, (*PREDICT, "p.csv"), 3, "temperature retyped"),
    "rows that were scored before": (scored_before, (*PREDICT, "p.csv"), 2, "has a column 'prediction' already"),
    "predictions of an unknown kind": (nothing, (*PREDICT, "p.xlsx"), 2, "Name a .parquet or a .csv file"),
    "predictions into a file as folder": (nothing, (*PREDICT, "taken/p.csv"), 2, "cannot be written"),
    "a batch that is not there": (nothing, ("monitor", "bike", "--data", "nxt.parquet"), 2, "does not exist"),
    "a batch of another type": (typed, ("monitor", "bike", "--data", "next.parquet"), 3, "repair the feed"),
    "an empty batch": (lambda: Path("void.csv").touch(), ("monitor", "bike", "--data", "void.csv"), 3, "holds no rows"),
    "an unknown model": (nothing, ("train", "bik"), 2, "Did you mean 'bike'?"),
    "no model": (nothing, ("train",), 2, "Missing argument"),
    "an unknown option": (nothing, ("train", "bike", "--jsn"), 2, "No such option: --jsn"),
    "an unknown version": (nothing, ("promote", "bike", "--version", "9"), 2, "has no version 9"),
    "the history of an unknown model": (nothing, ("history", "bik"), 2, "Did you mean 'bike'?"),
    "no champion before": (nothing, ("rollback", "bike"), 2, "bike"),
}  # fmt: skip


@pytest.mark.parametrize("command", BAD_COMMANDS)
def test_a_command_that_cannot_be_done_is_one_clear_error_in_json_too(ended, command):
    prepare, words, code, said = BAD_COMMANDS[command]
    prepare()
    done = ended(*words, "--json")
    assert (done.code, said in done.err) == (code, True), done.err
    assert not list(Path().glob("p.*"))
    assert not list((Settings().home / "incoming" / "bike").glob("*"))
    assert said in done.out


def test_nobody_is_told_to_wait_for_a_server_that_runs(ended):
    prepare, words, *_ = BAD_COMMANDS["rows to score that are not there"]
    prepare()
    told = ended(*words).err
    assert ("predict bike" in told, "waiting" in told) == (True, False)


def test_a_typo_in_the_model_file_names_its_line(ended):
    path = Path("deployments/models/bike.yaml")
    path.write_text(path.read_text().replace("search:", "serach:"))
    done = ended("train", "bike", "--json")
    assert done.code == 2
    [said] = json.loads(done.out)["details"]
    assert said.endswith("bike.yaml:3: serach: there is no such key. Did you mean 'search'?")


@pytest.mark.parametrize(
    ("variable", "value", "words", "code"),
    [
        ("EVERFIT_PREFECT_API", f"http://{CLOSED}/api", ("train", "bike"), 6),
        ("EVERFIT_LEDGER_URL", f"postgresql://ann:secret@{CLOSED}/ledger", ("train", "bike"), 6),
        ("EVERFIT_MLFLOW_URI", f"http://{CLOSED}", ("promote", "bike", "--version", "7"), 6),
        ("EVERFIT_MLFLOW_URI", "nonsense", ("train", "bike"), 2),
        ("EVERFIT_LEDGER_URL", "nonsense", ("train", "bike"), 2),
    ],
)
def test_what_does_not_answer_ends_with_six_and_what_is_no_address_with_two(
    ended, monkeypatch, variable, value, words, code
):
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # it does not answer the second time either
        patch.setenv(variable, value)
        done = ended(*words)
    assert done.code == code
    assert (CLOSED if code == 6 else variable) in done.err
    assert "secret" not in done.err


def in_a_mount(mount: str, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where something is mounted over its home; skip where nothing can be mounted."""
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.decode().strip()}")
    everfit = Path(sys.executable).with_name("everfit")
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", str(everfit), *words]
    environment = {**os.environ, "EVERFIT_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_full_disk_ends_with_six(here):
    home = here / "small"
    home.mkdir()
    done = in_a_mount(f"mount -t tmpfs -o size=16k none {home}", home, "train", "bike", "--json")
    assert done.returncode == 6, done.stderr
    assert "Make room" in json.loads(done.stdout)["do"]
    assert "Traceback" not in done.stderr


def test_a_home_that_may_only_be_read_ends_with_two(here):
    home = here / ".everfit"
    done = in_a_mount(f"mount --bind {home} {home} && mount -o remount,ro,bind {home}", home, "train", "bike", "--json")
    assert done.returncode == 2, done.stderr
    assert "writable" in json.loads(done.stdout)["do"]
    assert "Traceback" not in done.stderr
