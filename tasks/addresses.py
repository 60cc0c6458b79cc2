"""Where the pages of this workspace can be opened: `everfit up` says it, and the steps link there.

`up.json` in the home is locked by the `everfit up` that wrote it, so that a file left by a killed one is not believed.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from everfit.errors import InputError
from everfit.settings import Settings


@contextmanager
def announced(settings: Settings) -> Iterator[Callable[[dict[str, str]], None]]:
    """Be the one `everfit up` of this workspace; yields the function that says what is where."""
    with (settings.folder() / "up.json").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = ", ".join(f"{name} at {url}" for name, url in read(settings).items())
            raise InputError(
                f"everfit up already runs in this workspace{f': {where}' if where else ''}.",
                do="Use that one, or stop it first.",
            ) from None

        def say(urls: dict[str, str]) -> None:
            file.truncate(0)
            file.write(json.dumps(urls))
            file.flush()

        say({})
        try:
            yield say
        finally:
            say({})


def read(settings: Settings) -> dict[str, str]:
    """Return the addresses that are up: `prefect`, `mlflow`, `reports`; empty when nothing is."""
    try:
        with (settings.home / "up.json").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        known: dict[str, str] = json.loads((settings.home / "up.json").read_text() or "{}")
        return known
    except OSError:
        pass
    return {}


def report_link(settings: Settings, page: Path) -> str:
    """Return the URL of a page in the reports folder while its server is up, and its path otherwise."""
    base = read(settings).get("reports", "")
    folder = settings.home / "reports"
    if base and page.is_relative_to(folder):
        return f"{base}/{quote(page.relative_to(folder).as_posix())}"
    return str(page)


def mlflow_link(settings: Settings, experiment: str, run: str) -> str:
    """Return the URL of an MLflow run while a UI is up, and an empty text otherwise."""
    remote = settings.mlflow_uri.rstrip("/") if settings.mlflow_uri.startswith("http") else ""
    base = remote or read(settings).get("mlflow", "")
    return f"{base}/#/experiments/{quote(experiment)}/runs/{quote(run)}" if base else ""
