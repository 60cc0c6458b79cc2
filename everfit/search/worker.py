"""The process in which trials run: one core, one thread, and expendable."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import shutil
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from everfit.search.bench import Bench


def work(channel: Connection, folder: str) -> None:
    """Do one task after the other until the search hangs up. Never outlives it, and leaves no files behind then."""
    _settle_in(Path(folder))
    bench = Bench(Path(folder))
    while True:
        try:
            task = channel.recv()
        except EOFError:
            return
        channel.send(bench.do(task))


def _settle_in(folder: Path) -> None:
    os.setsid()  # so that whatever a trial forks is ended with it
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    with contextlib.suppress(OSError, ValueError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        resource.setrlimit(resource.RLIMIT_DATA, (int(0.8 * memory), resource.getrlimit(resource.RLIMIT_DATA)[1]))
        Path("/proc/self/oom_score_adj").write_text("1000")  # when memory ends, the trial goes and not the search


def _end_with_parent(folder: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
