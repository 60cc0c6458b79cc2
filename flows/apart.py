"""Call a function in a process of its own, so that what it imports does not stay in a memory that lives for weeks."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from everfit.errors import Unavailable, first_line

P = ParamSpec("P")
R = TypeVar("R")


def apart(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what `work` returns, or raise what it raises; arguments and result travel by pickle.

    Raise Unavailable when the process was killed, as a system does that runs out of memory.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(work, *args, **kwargs).result()
    except BrokenProcessPool as cause:
        raise Unavailable(
            f"A process of everfit's ended before it was done: {first_line(cause)}.",
            do="If the system killed it for lack of memory, make room.",
        ) from cause
