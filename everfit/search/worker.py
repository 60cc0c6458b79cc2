"""The process in which trials run: one core, one thread, and expendable."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import shutil
import threading
import time
from multiprocessing.connection import Connection
from typing import NoReturn

from everfit.search import memory, processes
from everfit.search.bench import Bench
from everfit.search.memory import Share
from everfit.search.places import Place

TRIES = 100  # to remove the folder, a tenth of a second apart: other workers may still be writing to it


def work(channel: Connection, place: Place, share: Share) -> None:
    """Do one task after the other until the search hangs up. Never outlives it, and leaves no temporary files then."""
    _settle_in(place, share)
    bench = Bench(place.folder, share)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            channel.send(bench.do(channel.recv()))
            memory.give_back()
    _leave(place)


def _settle_in(place: Place, share: Share) -> None:
    os.setsid()  # so that whatever a trial forks is ended with it
    processes.adopt_orphans()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    threading.Thread(target=_end_with_parent, args=(place,), daemon=True).start()
    gc.freeze()  # what was imported stays shared with the process that we were forked from: no collection touches it
    memory.limit(share.bytes)


def _end_with_parent(place: Place) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _leave(place)


def _leave(place: Place) -> NoReturn:
    """Remove the temporary files of a search that is gone, and end. Whichever thread is done first ends the process."""
    for _ in range(0 if place.lasting else TRIES):
        shutil.rmtree(place.folder, ignore_errors=True)
        if not place.folder.exists():
            break
        time.sleep(0.1)
    os._exit(1)
