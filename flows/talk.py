"""How a process talks to a Prefect API: what Prefect must be told first, and plain requests without its client.

Prefect takes longer to import than a server to answer, so nothing here imports it unless somebody else has.
"""

import json
import os
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from everfit.settings import Settings
from everfit.threads import ONE_THREAD
from flows.ports import HOST

ANSWER = 5.0  # seconds that a server which is up may take to answer
DRAIN = 15.0
TOO_BUSY = 503
HEARTBEAT = 30
CONSOLE = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"


@contextmanager
def connected(settings: Settings, url: str) -> Iterator[None]:
    """Point Prefect in this process, imported or not, and in its children at an API."""
    wanted = client_env(settings, url)
    before = {name: os.environ.get(name) for name in wanted}
    flush()  # to the API that was there before; what sends would go on talking to it
    os.environ.update(wanted)
    try:
        with _overlay(wanted) if "prefect" in sys.modules else ExitStack():
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _overlay(wanted: dict[str, str]) -> Any:
    """Settings for a Prefect that read its environment before we could change it."""
    from prefect import settings as known

    names = {name: value for name, value in wanted.items() if hasattr(known, name)}
    return known.temporary_settings({getattr(known, name): value for name, value in names.items()})


def client_env(settings: Settings, url: str) -> dict[str, str]:
    """What Prefect must know in a process that talks to the API, and to write nowhere but in the home."""
    return {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(settings.folder("prefect")),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        CONSOLE: os.environ.get(CONSOLE, "CRITICAL"),  # a terminal shows our own lines
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY", ""), HOST, "localhost"])),
        "DO_NOT_TRACK": "1",
        **ONE_THREAD,
        "PYTHONSAFEPATH": "1",  # a folder `flows` in the workspace is not ours
    }


def drain(url: str, since: datetime, seconds: float = DRAIN) -> bool:
    """Wait until every record of the runs that began since then and ended has arrived.

    False when time is up or nobody answers. Runs that crashed or were cancelled are not waited for: nobody is left
    to say how their tasks ended.
    """
    flush()
    started = {"start_time": {"after_": since.isoformat()}}
    ended = {"flow_runs": started | {"state": {"type": {"any_": ["COMPLETED", "FAILED"]}}}}
    unsettled = ended | {"task_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}}}
    deadline, last = time.monotonic() + seconds, -1
    with suppress(OSError):
        while time.monotonic() < deadline:
            total = call(f"{url}/task_runs/count", ended)
            if total == last and not call(f"{url}/task_runs/count", unsettled):
                return True
            last = total
            time.sleep(0.2)
    return False


def flush() -> None:
    """Send what Prefect's threads in this process still hold back."""
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            worker.drain_all(timeout=5)


def bury_the_dead(url: str, began: datetime) -> int:
    """Mark runs as crashed that a server which began then found running: whoever ran them is gone.

    Runs that have started since belong to commands which found the server before its starter came here.
    """
    filters = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}}
    message = "The process that ran it ended without a word: it was killed, or the machine stopped."
    found = call(f"{url}/flow_runs/filter", filters)
    runs = [run for run in found if datetime.fromisoformat(run["state"]["timestamp"]) < began]
    for run in runs:
        state = {"type": "CRASHED", "name": "Crashed", "message": message}
        call(f"{url}/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
    return len(runs)


def call(address: str, body: Any = None, *, timeout: float = ANSWER) -> Any:
    """One request without importing a client, which takes longer than the server; raise ConnectionError.

    A server that is too busy to write (503) has not written, and is asked again.
    """
    for pause in (0.5, 1.0, 2.0, None):
        try:
            return _ask(address, body, timeout)
        except HTTPError as refused:
            refused.close()
            if refused.code != TOO_BUSY or pause is None:
                raise ConnectionError(f"it answers {refused.code} {refused.reason}") from refused
            time.sleep(pause)
        except (OSError, ValueError, HTTPException) as cause:
            raise ConnectionError(str(getattr(cause, "reason", cause))) from cause
    return None


def _ask(address: str, body: Any, timeout: float) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data, {"Content-Type": "application/json"})  # noqa: S310
    if token := os.environ.get("PREFECT_API_AUTH_STRING"):
        request.add_header("Authorization", f"Basic {b64encode(token.encode()).decode()}")
    here = address.startswith(f"http://{HOST}:")
    opener = build_opener(ProxyHandler({})) if here else build_opener()  # a proxy cannot reach this machine
    with opener.open(request, timeout=timeout) as answer:
        return json.loads(answer.read() or b"null")
