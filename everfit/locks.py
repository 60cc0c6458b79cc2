"""A lock between processes of one machine, for the few things that must not happen twice at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from everfit.errors import InputError, Unavailable, is_full


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold an exclusive lock on `path`, a file made for this; wait for whoever has it. It ends with its process.

    Without `wait`, yield whether it could be had at once.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as cause:
        raise (Unavailable if is_full(cause) else InputError)(
            f"{path} cannot be written: {cause.strerror}.",
            why="It is the lock that keeps two processes from doing the same thing at once.",
            do="Make room or make the folder writable, or set EVERFIT_HOME to one that is.",
        ) from cause
    with file:
        yield _had(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _had(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    return True
