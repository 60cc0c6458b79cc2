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
import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from everfit.errors import Unavailable, first_line, is_full
from everfit.settings import Settings
from flows import leash
from flows.ports import HOST, listen
from flows.talk import ANSWER, CONSOLE, bury_the_dead, call, client_env, connected, drain, flush

__all__ = ["Server", "api", "connected", "running"]

START = 90.0  # a first start also creates the database
OTHERS = 2.0  # after so long, a server that has not begun to end has other users


class Server:
    """A Prefect API that is on its way; made by `api`."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.settings, self.url, self.began = settings, url, datetime.now(UTC)
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
            if self.settings.prefect_api:
                flush()  # a configured server lives on, and takes its time
            else:
                drain(self.url, self.began)
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
            bury_the_dead(self.url, self.began)

    @property
    def alive(self) -> bool:
        """Whether its process lives; of a configured one we know nothing."""
        if self.process:
            return self.process.poll() is None
        return bool(self.settings.prefect_api or running(self.settings))

    def restart(self) -> None:
        """Start one that died again, at its address unless another command was faster, and return at once.

        Who asks meanwhile waits for its answer. What ran goes on, and is not taken for dead.
        """
        with (self.settings.folder("prefect") / "server.json").open("a+") as state:
            self.process, url = None, _join(state)
            if not url:
                self.process, url = _start(self.settings, state, urlsplit(self.url).port or 0)
        self.url = url

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
        log = log_of(self.settings)
        said = leash.tail(log)
        why, do = first_line(cause), "Run the same command again, or set EVERFIT_PREFECT_API to a server that runs."
        if is_full("\n".join(said)):
            why = f"there is no room left for {self.settings.home}"
            do = "Make room, or set EVERFIT_HOME to a folder that has some, and run the same command again."
        return Unavailable(
            f"The workspace's Prefect server did not start: {why}.", details=said, do=f"{do} Its log is {log}."
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


def api(settings: Settings, *, port: int = 0, patience: float = ANSWER) -> Server:
    """Find or start the Prefect API and return at once, unless a configured one does not answer: Unavailable.

    A `port` that is taken means the next one, 0 any. A configured server has `patience` seconds to answer.
    """
    if settings.prefect_api:
        server = Server(settings, settings.prefect_api.rstrip("/"))
        try:
            call(f"{server.url}/health", timeout=patience)
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
        server.process, server.url = _start(settings, state, port)
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


def _start(settings: Settings, state: IO[str], port: int) -> tuple[leash.Process, str]:
    with listen(port) as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}/api"
        inherited = (listening.fileno(), state.fileno())
        process = leash.spawn(
            _command(listening.fileno()),
            log=log_of(settings),
            env=_server_env(settings, url),
            cwd=settings.home,
            lock=settings.home / "prefect" / "users.lock",
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


def log_of(settings: Settings) -> Path:
    """Return where the workspace's server writes what it has to say."""
    return settings.folder("logs") / "prefect-server.log"
