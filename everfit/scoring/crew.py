"""The processes that score pieces side by side, each with one thread and a model that it has loaded once.

They are forked from one that has imported everything and done nothing: what is imported is in memory once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from everfit import registry
from everfit.errors import Unavailable, first_line
from everfit.scoring.pieces import Piece
from everfit.search.pool import bare_children, warm_up
from everfit.settings import Settings

_loaded: registry.Loaded | None = None  # the model of this process


def work_off(
    settings: Settings,
    loaded: registry.Loaded,
    todo: Sequence[tuple[Piece, Path]],
    workers: int,
    personal: Collection[str],
) -> Generator[Piece, None, None]:
    """Score pieces, each to its file; yield them in their order, each once its file is there.

    One worker is this process itself. Raise Unavailable when a process was killed, as a system does that runs out of
    memory. What has begun is ended before this returns, whatever happens to the caller.
    """
    if workers <= 1:
        for piece, part in todo:
            piece.score(loaded, part, personal)
            yield piece
        return
    begin = (settings, loaded.model, loaded.version)
    warm_up()
    pool = ProcessPoolExecutor(workers, get_context("forkserver"), initializer=_begin, initargs=begin)
    try:
        with bare_children():  # they start as the first pieces are given out
            waiting = [pool.submit(_score, piece, part, personal) for piece, part in todo]
        for (piece, _), future in zip(todo, waiting, strict=True):
            future.result()
            yield piece
    except BrokenProcessPool as cause:
        raise Unavailable(
            f"A process that scores rows ended before it was done: {first_line(cause)}.",
            do="If the system killed it for lack of memory, take fewer --workers; what is done is gone on from.",
        ) from cause
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(settings: Settings, model: str, version: int) -> None:
    """Make a process ready: it ends with whoever started it, and leaves Ctrl-C to them."""
    global _loaded
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _loaded = registry.load(settings, model, version)


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _score(piece: Piece, part: Path, personal: Collection[str]) -> None:
    assert _loaded is not None
    piece.score(_loaded, part, personal)
