"""One part of `everfit up`: a child that is started again when it dies, and ends with us."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from everfit.errors import Unavailable
from everfit.settings import Settings
from everfit.threads import ONE_THREAD
from flows import leash
from flows.ports import HOST, listen

DEATHS = 3  # of one part, before it is called broken
STEADY = 600.0  # seconds of life after which earlier deaths are forgotten


@dataclass
class Deaths:
    """How often one part has died of late: healing once in a month is fine, three times in a row is not."""

    name: str
    log: Path
    count: int = 0
    born: float = field(default_factory=time.monotonic)

    def add(self, code: int | None) -> None:
        """Count one more, before it is started again; raise Unavailable when that does not help."""
        self.count = 1 if time.monotonic() - self.born > STEADY else self.count + 1
        self.born = time.monotonic()
        if self.count >= DEATHS:
            raise Unavailable(
                f"everfit up: the {self.name} ended {self.count} times, the last time with exit code {code}.",
                details=leash.tail(self.log),
                do=f"Its log is {self.log}. Everything else was stopped.",
            )


@dataclass
class Part:
    """One child: how it is started, and what it needs to end."""

    name: str
    log: Path
    command: Callable[[int], list[str]]
    env: dict[str, str]
    cwd: Path
    port: int = 0
    grace: float = leash.GRACE
    process: leash.Process | None = field(default=None, repr=False)
    deaths: Deaths = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.deaths = Deaths(self.name, self.log)

    @property
    def url(self) -> str:
        """Where it can be opened; empty for what has no page."""
        return f"http://{HOST}:{self.port}" if self.port else ""

    def start(self) -> None:
        """Start it, on the next free port when its own is taken."""
        if self.port:
            with listen(self.port) as free:
                self.port = free.getsockname()[1]
        self.process = leash.spawn(self.command(self.port), log=self.log, env=self.env, cwd=self.cwd, grace=self.grace)

    def look(self) -> bool:
        """Start it again if it died, and say so; raise Unavailable when that does not help."""
        if self.process is None or (code := self.process.poll()) is None:
            return False
        leash.stop(self.process, 1)
        self.deaths.add(code)
        self.start()
        return True

    def stop(self) -> None:
        """End it, and what it started."""
        if self.process:
            leash.stop(self.process, self.grace + 5)


def module(*arguments: str) -> list[str]:
    """Return the command that runs a module of this environment, whatever the current folder holds."""
    return [sys.executable, "-P", "-m", *arguments]


def at(port: int) -> list[str]:
    """Return the arguments that make a server listen on this machine only."""
    return ["--host", HOST, "--port", str(port)]


def said_by(settings: Settings) -> dict[str, str]:
    """Return the environment variables that give a child process the same settings."""
    return {
        "DO_NOT_TRACK": "1",
        **ONE_THREAD,
        "PYTHONSAFEPATH": "1",
        **{f"EVERFIT_{name.upper()}": str(value) for name, value in settings.model_dump().items()},
    }
