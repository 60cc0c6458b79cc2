"""What many tests share."""

from everfit.threads import use_one_thread

use_one_thread()  # before anything imports numpy

import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.dont_write_bytecode:  # then each of the hundreds of processes that tests start would compile all that it imports
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

import pytest

from everfit import registry
from everfit.settings import Settings
from tests import postgres


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with its tables, which take seconds, made once for all processes of the tests."""
    own = tmp_path_factory.getbasetemp()
    settings = Settings(workspace=(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "migrated")
    registry.prepare(settings)
    return settings.home / "mlflow.db"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests."""
    postgres.require()
    with postgres.server() as url:
        yield url


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, "flows" not in item.path.parts))
