"""Keep a signal that Python would drop: a run that was asked to end must not go on to promote a model."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

from prefect.exceptions import TerminationSignal

RAISED = {KeyboardInterrupt: signal.SIGINT, TerminationSignal: signal.SIGTERM}
SOON = 0.05  # the callback has returned by then


@contextmanager
def heeded() -> Iterator[None]:
    """Send a signal again whose exception was raised in a finalizer or in the callback of a weak reference.

    Python prints what is raised there and goes on. Imports are full of such callbacks.
    """
    before = sys.unraisablehook

    def again(lost: Any) -> None:
        if sign := RAISED.get(lost.exc_type):
            Timer(SOON, os.kill, (os.getpid(), sign)).start()
        else:
            before(lost)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before
