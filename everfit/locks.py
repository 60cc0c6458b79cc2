"""A lock between processes of one machine, for the few things that must not happen twice at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everfit.errors import InputError, Unavailable, is_full


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, a file made for this; wait for whoever has it. It ends with its process."""
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
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
