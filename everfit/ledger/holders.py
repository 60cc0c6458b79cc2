"""Who holds a claim, and whether that process is still alive."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Holder:
    """One process on one host: its number alone would be taken over by whoever gets that number next."""

    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Self:
        """Return this process as a holder."""
        return cls(socket.gethostname(), os.getpid(), started(os.getpid()))

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**{name: facts[name] for name in ("host", "pid", "started")})

    def to_dict(self) -> dict[str, Any]:
        """Return the holder as plain JSON."""
        return asdict(self)

    @property
    def alive(self) -> bool | None:
        """Whether the process lives; None on another host, where only the end of the lease can tell."""
        if self.host != socket.gethostname():
            return None
        return bool(self.started) and started(self.pid) == self.started


def started(pid: int) -> str:
    """Return when a process started, in a form that no other process of this machine ever shares; empty if it is gone.

    Ticks since a boot that has a name: unlike a wall-clock time they do not move when the clock is set.
    """
    stat = Path(f"/proc/{pid}/stat")
    if not BOOT.exists():
        return _started_by_ps(pid)
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, ticks = fields[0], fields[19]
    return "" if state in "ZX" else f"{BOOT.read_text().strip()}:{ticks}"


def _started_by_ps(pid: int) -> str:
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return " ".join(found.stdout.split())
