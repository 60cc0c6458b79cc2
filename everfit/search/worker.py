"""The process in which trials run: one core, one thread, and expendable."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from everfit.search import memory, processes
from everfit.search.bench import Bench
from everfit.search.memory import Share

TRIES = 100  # to remove the folder, a tenth of a second apart: other workers may still be writing to it


def work(channel: Connection, folder: str, share: Share) -> None:
    """Do one task after the other until the search hangs up. Never outlives it, and leaves no files behind then."""
    _settle_in(Path(folder), share)
    bench = Bench(Path(folder), share)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            channel.send(bench.do(channel.recv()))
    _leave(Path(folder))


def _settle_in(folder: Path, share: Share) -> None:
    os.setsid()  # so that whatever a trial forks is ended with it
    processes.adopt_orphans()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    memory.limit(share.bytes)


def _end_with_parent(folder: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _leave(folder)


def _leave(folder: Path) -> NoReturn:
    """Remove the folder of a search that is gone, and end. Whichever thread is done first ends the process."""
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(0.1)
    os._exit(1)
