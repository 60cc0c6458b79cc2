"""One real Prefect server for all tests of flows, and workspaces whose own server starts on a copy of its database."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, closing
from pathlib import Path

import pytest

from everfit.settings import Settings
from flows.server import api

EMPTY = "empty.db"
MODEL = "name: {name}\ndata: {{source: data.csv, target: y}}\n"
TOYS = '''
"""Flows that do next to nothing, under the names and parameters of the real ones."""
import time
from pathlib import Path
from prefect import flow

@flow(name="train", flow_run_name="train {model}: {reason}")
def train(model: str, reason: str = "asked by hand", decision: str = ""):
    Path("trained.txt").open("a").write(f"{model}|{reason}|{decision}|{time.time()}\\n")
    if reason == "slow":
        time.sleep(120)

@flow(name="monitor", flow_run_name="monitor {model}")
def monitor(model: str, data: str = ""):
    Path("monitored.txt").open("a").write(f"{model}\\n")
    time.sleep(3)

@flow(name="predict", flow_run_name="predict {model}")
def predict(model: str):
    Path("predicted.txt").open("a").write(f"{model}\\n")
'''


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that the whole session shares; flows that a test calls are recorded there."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    settings = Settings(workspace=tmp_path_factory.mktemp("prefect"), prefect_api="")
    with api(settings) as url, temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        database = settings.home / "prefect" / "prefect.db"
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(settings.home / EMPTY)) as copy:
            source.backup(copy)  # before any test has left a run in it
        yield url


@pytest.fixture(scope="session")
def prefect_database(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose tables are made, which takes a new server five seconds."""
    return next(tmp_path_factory.getbasetemp().glob(f"prefect*/.everfit/{EMPTY}"))


@pytest.fixture(scope="module")
def moved_to(
    tmp_path_factory: pytest.TempPathFactory, prefect_api: str, migrated: Path
) -> Iterator[Callable[[str], Settings]]:
    """Be in a new workspace of a name, on the session's server, until the tests of the module are over."""
    with ExitStack() as left:

        def move(name: str) -> Settings:
            left.enter_context(chdir(tmp_path_factory.mktemp(name)))
            settings = Settings()
            shutil.copy(migrated, settings.folder() / "mlflow.db")
            return settings

        yield move


@pytest.fixture(scope="module")
def founded(moved_to: Callable[[str], Settings]) -> Callable[[str, str], Settings]:
    """Be in a new workspace with one model file, which has its name."""

    def found(name: str, spec: str) -> Settings:
        settings = moved_to(name)
        settings.models.mkdir(parents=True)
        (settings.models / f"{name}.yaml").write_text(spec)
        return settings

    return found


@pytest.fixture
def workspace(tmp_path: Path, prefect_database: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty workspace that knows of no server but its own."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = Settings(workspace=tmp_path, prefect_api="")
    (settings.folder("prefect") / "prefect.db").write_bytes(prefect_database.read_bytes())
    settings.models.mkdir(parents=True)
    return settings


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on whose path `toyflows` can be imported."""
    folder = tmp_path_factory.mktemp("toys")
    (folder / "toyflows.py").write_text(TOYS)
    return folder


@pytest.fixture
def add_model(workspace: Settings) -> Callable[..., Path]:
    """Write a model file into the workspace: `add_model("bike", "monitor: {every: 1h}")`."""

    def add(name: str, *more: str) -> Path:
        path = workspace.models / f"{name}.yaml"
        path.write_text("\n".join([MODEL.format(name=name), *more]))
        return path

    return add
