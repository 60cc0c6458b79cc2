"""How much memory a search may have, and how much of it its processes hold. Linux tells; elsewhere nothing is limited.

Held is what the kernel cannot take back: anonymous and shared pages, those of several processes in parts (`Pss_Anon`
and `Pss_Shmem` of `smaps_rollup`). Mapped files, such as the matrices, leave when others need the room; psutil's `pss`
and `uss` count them in.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from everfit.errors import DataError

GB = 1e9
SHARE = 0.8  # of what is free, for a search that was not told
LEAST = 0.25 * GB  # that a worker needs for the smallest of trials, beside the rows
GROUPS = (  # control groups of version 2 and 1: their line of /proc/self/cgroup, folder, limit, use, and files in it
    (r"^0::(.+)$", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    (r"^\d+:memory:(.+)$", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "total_inactive_file"),
)  # fmt: skip
RAN_OUT = ("bad_alloc", "bad allocation", "Cannot allocate memory", "not enough memory")  # as C++ says it


@dataclass(frozen=True)
class Share:
    """The bytes that each of so many workers may hold, with all that it started."""

    bytes: float
    workers: int

    @property
    def passed(self) -> str:
        """Say of a trial that it needs more."""
        return (
            f"it needs more than {write(self.bytes)} of memory; "
            f"search.max_memory_gb has no more for each of {self.workers} worker(s)"
        )

    def fewer_than(self, wanted: int) -> str:
        """Say so where there are not as many workers as were wanted; empty where there are."""
        few = f"{self.workers} of {wanted} workers, as memory has no room for more"
        return few if self.workers < wanted else ""


def shared(most_gb: float | None, rows: float, workers: int) -> Share:
    """Divide what a search may have among its workers, of which there are as many as that is enough for.

    `most_gb` is for all of the search's processes, `rows` are the bytes of its data. Raise DataError when there is no
    room for one worker.
    """
    free, ours = SHARE * available(), held([os.getpid()])
    left = min(free, inf if most_gb is None else most_gb * GB - ours) - rows  # which are copied as they are prepared
    if left < LEAST:
        told = most_gb is not None and most_gb * GB - ours < free
        limit = f"the {most_gb:g} GB of search.max_memory_gb" if told else f"the {write(free)} that are free"
        raise DataError(
            f"The rows do not fit into {limit}: they take {write(rows)}, twice while they are prepared.",
            why=f"This process holds {write(ours)} already, and a trial needs {write(LEAST)} at least.",
            do="Give search.max_memory_gb or the machine more memory, or the search fewer rows or columns.",
        )
    count = workers if left == inf else max(1, min(workers, int(left / (LEAST + rows))))
    return Share(left / count, count)


def write(count: float) -> str:
    """Write bytes for people.

    >>> write(1.24e9), write(3.2e6)
    ('1.2 GB', '3 MB')
    """
    return f"{count / GB:.1f} GB" if count >= GB else f"{count / 1e6:.0f} MB"


def available(root: Path = Path("/")) -> float:
    """Return the bytes that this machine, and the container around this process, can still give."""
    with contextlib.suppress(OSError):
        (kilobytes,) = re.findall(r"MemAvailable:\s+(\d+)", (root / "proc/meminfo").read_text())
        groups = (root / "proc/self/cgroup").read_text()
        return max(0.0, min([1024.0 * int(kilobytes), *_left_in_groups(root, groups)]))
    return inf


def _left_in_groups(root: Path, groups: str) -> Iterator[float]:
    """Yield what each control group has left, from ours up; a container may see nothing but the root of its own."""
    for line, folder, most, used, files in GROUPS:
        for name in re.findall(line, groups, re.MULTILINE):
            ours = root / folder / name.strip("/")
            for group in (ours, *ours.parents):
                with contextlib.suppress(OSError, ValueError):  # there is no limit, or one that is called max
                    limit, now = int((group / most).read_text()), int((group / used).read_text())
                    cached = re.findall(rf"^{files} (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE)
                    yield float(limit - now + sum(map(int, cached)))


def held(processes: Iterable[int]) -> float:
    """Return the bytes that processes hold together; one that is gone holds none."""
    kilobytes = 0
    for process in processes:
        with contextlib.suppress(OSError):
            said = Path(f"/proc/{process}/smaps_rollup").read_text()
            kilobytes += sum(map(int, re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+)", said, re.MULTILINE)))
    return 1024.0 * kilobytes


def limit(more: float) -> None:
    """Let this process have so many bytes beyond what it has; whatever asks for more is told so by a MemoryError."""
    with contextlib.suppress(OSError, ValueError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # when memory ends, the trial goes and not the search
        if more < inf:
            (now,) = re.findall(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())
            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            resource.setrlimit(resource.RLIMIT_DATA, (1024 * int(now) + int(more), hard))


def give_back() -> None:
    """Return what was freed to the system, which the C library keeps for later; some others than glibc cannot."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def ran_out(cause: BaseException) -> bool:
    """Whether an error means that there was no memory."""
    return isinstance(cause, MemoryError) or any(words in str(cause) for words in RAN_OUT)
