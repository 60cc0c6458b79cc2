"""Processes and what descends from them, so that nothing outlives the trial that started it. Only Linux tells.

One look serves all workers of a search twice a second; psutil takes four times as long for it and is not shorter.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Mapping
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>
ROUNDS = 20  # of killing, while what is not killed yet forks


def children() -> dict[int, list[int]]:
    """Return the living children of each process."""
    found: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found.setdefault(int(parent), []).append(int(place.name))
    return found


def family(process: int, known: Mapping[int, list[int]]) -> list[int]:
    """Return a process and all that descends from it, by the children of each."""
    found = [process]
    for each in found:
        found += known.get(each, [])
    return found


def cpu_seconds(process: int) -> float:
    """Return the CPU-seconds of a process and all that descends from it, those that have ended included."""
    ticks = 0
    for each in family(process, children()):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, stat[11:15]))  # its own, then those of children that it has waited for
    return ticks / os.sysconf("SC_CLK_TCK")


def adopt_orphans() -> None:
    """Let what descends from this process be its child when its own parent ends, in whatever session it is."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end(process: int) -> None:
    """Kill a process and all that descends from it. It only stops at first, so that orphans come to it."""
    _send(process, signal.SIGSTOP)
    for _ in range(ROUNDS):
        rest = family(process, children())[1:]
        for each in rest:
            _send(each, signal.SIGKILL)
        if not rest:
            break
    _send(process, signal.SIGKILL)


def end_group(leader: int) -> None:
    """Kill whatever is left of a process group, whose leader may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _send(process: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, what)
