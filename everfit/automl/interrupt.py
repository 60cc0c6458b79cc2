"""Ctrl-C, or a notebook's stop button, as a wish for the best so far."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether Ctrl-C was pressed; pressed again, it ends everything, as it does elsewhere.

    Signals reach the main thread only: in another one, and where Ctrl-C is ignored, nothing changes.
    """
    before, pressed = signal.getsignal(signal.SIGINT), threading.Event()

    def hear(_sign: int, _frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)
        logging.getLogger(__name__).warning("The search ends with the best so far; Ctrl-C again ends it without.")

    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield pressed.is_set
        return
    signal.signal(signal.SIGINT, hear)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
