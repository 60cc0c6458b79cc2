"""The Prefect API of one command: the one that was configured, the workspace's own, or one started for it.

    server = api(settings)          # returns at once; the server starts while the caller imports what is heavy
    with server as url:             # waits until it answers; inside, Prefect in this process talks to it
        train("bike")

Commands of one workspace share one server, because its SQLite file has one owner. `server.json` in the home
is locked by the live server and says where it is; each command holds a shared lock on `users.lock`, and the
server ends when the last of them is gone, killed or not.
"""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from everfit.errors import Unavailable, first_line
from everfit.settings import Settings
from flows import leash

ANSWER = 5.0  # seconds that a server which is up may take to answer
START = 90.0  # a first start also creates the database
DRAIN = 15.0
OTHERS = 2.0  # after so long, a server that has not begun to end has other users
HEARTBEAT = 30
HOST = "127.0.0.1"
CONSOLE = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]


class Server:
    """A Prefect API that is on its way; made by `api`."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.settings, self.url = settings, url
        self.process: leash.Process | None = None
        self._held = ExitStack()

    def __enter__(self) -> str:
        try:
            self.wait()
            self._held.enter_context(connected(self.settings, self.url))
        except BaseException:
            self.stop()
            raise
        return self.url

    def __exit__(self, *_: object) -> None:
        try:
            drain(self.url)
        finally:
            self.stop()

    def wait(self) -> None:
        """Return when it answers; raise Unavailable when it does not."""
        try:
            call(f"{self.url}/health", timeout=START)
        except OSError as cause:
            if self.settings.prefect_api:
                raise Unavailable.at("The Prefect API", self.url, cause) from cause
            raise self._did_not_start(cause) from cause
        if self.process:
            bury_the_dead(self.url)

    @property
    def alive(self) -> bool:
        """Whether its process lives; of a configured one we know nothing."""
        if self.process:
            return self.process.poll() is None
        return bool(self.settings.prefect_api or running(self.settings))

    def stop(self) -> None:
        """Let go of it. Ours ends as soon as nobody else in the workspace uses it."""
        self._held.close()
        released = time.monotonic()
        while self.process and self.process.poll() is None and time.monotonic() - released < leash.GRACE + 5:
            time.sleep(0.05)
            if time.monotonic() - released > OTHERS and not _is_ending(self.settings):
                _LEFT.append(self.process)
                return

    def _did_not_start(self, cause: OSError) -> Unavailable:
        log = _log(self.settings)
        return Unavailable(
            f"The workspace's Prefect server did not start: {first_line(cause)}.",
            details=leash.tail(log),
            do=f"Its log is {log}. Run the same command again, or set EVERFIT_PREFECT_API to a server that runs.",
        )


_LEFT: list[leash.Process] = []  # servers that others still use when we end; a Popen that is forgotten complains


def _is_ending(settings: Settings) -> bool:
    """Say whether the server has taken the lock that its users share, as it does when the last of them is gone."""
    with (settings.home / "prefect" / "users.lock").open("ab") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def api(settings: Settings, *, port: int = 0) -> Server:
    """Find or start the Prefect API and return at once, unless a configured one does not answer: Unavailable.

    A `port` that is taken means the next one, 0 any.
    """
    if settings.prefect_api:
        server = Server(settings, settings.prefect_api.rstrip("/"))
        try:
            call(f"{server.url}/health", timeout=ANSWER)
        except OSError as cause:
            raise Unavailable.at("The Prefect API", server.url, cause) from cause
        return server
    folder = settings.folder("prefect")
    held = ExitStack()
    users = held.enter_context((folder / "users.lock").open("ab"))
    fcntl.flock(users, fcntl.LOCK_SH)  # waits while a server that nobody needed is ending
    state = held.enter_context((folder / "server.json").open("a+"))
    server = Server(settings, _join(state))
    if not server.url:
        server.process, server.url = _start(settings, state, Path(users.name), port)
    state.close()
    server._held = held
    return server


def running(settings: Settings) -> str:
    """Return the URL of an API that answers now, configured or the workspace's own; empty when there is none."""
    url = settings.prefect_api.rstrip("/")
    with suppress(OSError):
        if not url:
            with (settings.home / "prefect" / "server.json").open() as state:
                url = _said(state)
        if url:
            call(f"{url}/health", timeout=ANSWER)
            return url
    return ""


def _join(state: IO[str]) -> str:
    """Return the URL of the live server, or take its lock and return nothing when there is none."""
    for _ in range(200):
        try:
            fcntl.flock(state, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if url := _said(state):  # its starter writes the address right after it took the lock
                return url
            time.sleep(0.05)
        else:
            return ""
    raise Unavailable(
        f"{state.name} is locked by a server that does not say where it is.",
        do="End the process that holds it, or set EVERFIT_HOME to another folder.",
    )


def _said(state: IO[str]) -> str:
    """Return the address that was written, if by a server that lives: a file that was left behind says nothing."""
    state.seek(0)
    with suppress(json.JSONDecodeError, ProcessLookupError):
        said = json.loads(state.read())
        os.kill(said["pid"], 0)
        return str(said["url"])
    return ""


def _start(settings: Settings, state: IO[str], users: Path, port: int) -> tuple[leash.Process, str]:
    with listen(port) as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}/api"
        inherited = (listening.fileno(), state.fileno())
        process = leash.spawn(
            _command(listening.fileno()),
            log=_log(settings),
            env=_server_env(settings, url),
            cwd=settings.home,
            lock=users,
            fds=inherited,
        )
    state.truncate(0)
    state.write(json.dumps({"url": url, "pid": process.pid}))
    state.flush()
    return process, url


def _command(fd: int) -> list[str]:
    """The API on a socket that is ours already: no port can be lost between choosing and using it."""
    return [sys.executable, "-P", "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app",
            "--fd", str(fd), "--log-level", "warning", "--timeout-graceful-shutdown", "5"]  # fmt: skip


def listen(port: int) -> socket.socket:
    """Return a socket that listens on that port, or on the next that is free; 0 means any."""
    for wanted in (*range(port, port + 20), 0) if port else (0,):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, wanted))
            listening.listen(128)
        except OSError:
            listening.close()
            continue
        return listening
    raise Unavailable(f"No port is free on {HOST}.", do="Close programs that hold many connections open.")


def answers(port: int) -> bool:
    """Say whether anybody takes a connection there."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def client_env(settings: Settings, url: str) -> dict[str, str]:
    """What Prefect must know in a process that talks to the API, and to write nowhere but in the home."""
    return {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(settings.folder("prefect")),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        CONSOLE: os.environ.get(CONSOLE, "CRITICAL"),  # a terminal shows our own lines
        "DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONSAFEPATH": "1",  # a folder `flows` in the workspace is not ours
    }


def _server_env(settings: Settings, url: str) -> dict[str, str]:
    leases = "prefect.server.concurrency.lease_storage.filesystem"  # in memory, a crash would leak its slot
    defaults = {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING", "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": leases}
    ours = {
        CONSOLE: "NOTSET",  # its console is its log
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # the new one calls an analytics host
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_API_URL": url,
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(settings.folder("prefect") / "ui"),
        "PREFECT__SERVER_FINAL": "1",
    }
    return defaults | dict(os.environ) | client_env(settings, url) | ours


def _log(settings: Settings) -> Path:
    return settings.folder("logs") / "prefect-server.log"


@contextmanager
def connected(settings: Settings, url: str) -> Iterator[None]:
    """Point Prefect in this process, imported or not, and in its children at an API."""
    wanted = client_env(settings, url)
    before = {name: os.environ.get(name) for name in wanted}
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


def drain(url: str, seconds: float = DRAIN) -> bool:
    """Wait until every record of the runs that ended has arrived; False when time is up or nobody answers."""
    _flush()
    ended = {"flow_runs": {"state": {"type": {"any_": ENDED}}}}
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


def _flush() -> None:
    """Send what Prefect's threads in this process still hold back."""
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            worker.drain_all(timeout=5)


def bury_the_dead(url: str) -> int:
    """Mark runs as crashed that a server which has just started finds running: whoever ran them is gone."""
    filters = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}}
    message = "The process that ran it ended without a word: it was killed, or the machine stopped."
    runs = call(f"{url}/flow_runs/filter", filters)
    for run in runs:
        state = {"type": "CRASHED", "name": "Crashed", "message": message}
        call(f"{url}/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
    return len(runs)


def call(address: str, body: Any = None, *, method: str | None = None, timeout: float = ANSWER) -> Any:
    """One request without importing a client, which takes longer than the server; raise OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    if token := os.environ.get("PREFECT_API_AUTH_STRING"):
        import base64

        request.add_header("Authorization", f"Basic {base64.b64encode(token.encode()).decode()}")
    try:
        with urlopen(request, timeout=timeout) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")
    except (URLError, ValueError) as cause:
        raise ConnectionError(str(getattr(cause, "reason", cause))) from cause
