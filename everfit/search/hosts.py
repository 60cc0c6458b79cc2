"""Where hosts of one search meet, and how the files of trials come from one to the other."""

from __future__ import annotations

import os
import socket
import time as clock
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import fsspec

from everfit.errors import InputError, Unavailable, first_line

LEADER = "leader"
PAUSE = 1.0  # seconds between two looks


def _me() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"


def _always() -> bool:
    return True


def reach(files: str) -> None:
    """Raise InputError when a folder or store cannot be opened with what is installed, Unavailable when it is away."""
    with _reaching(files):
        system, root = fsspec.core.url_to_fs(files)
        system.exists(root)


@contextmanager
def _reaching(files: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, ValueError) as cause:
        raise InputError(
            f"Machines that search together cannot open the lake {files}: {first_line(cause)}.",
            why="They hand the files of trials to each other there, by fsspec and with its settings.",
            do="Mount a folder on all of them, install what is missing, or unset EVERFIT_SEARCH_STORAGE.",
        ) from cause
    except Exception as cause:  # whatever a store's own library raises
        raise Unavailable.at("The lake in which machines search together", files, cause) from cause


@dataclass(frozen=True)
class Shared:
    """A database for what is tried (`storage`, in which a search has a `name`), and a folder or store for `files`.

    One host `leads`, and makes the final model, as long as it is `still` the one, which it asks now and then; the
    others have names of their `own`. Trials are sized by `size` seconds, or by those that the search is allowed.
    """

    storage: str
    name: str
    files: str
    leads: bool = False
    still: Callable[[], bool] = field(default=_always, compare=False)
    size: float | None = None
    own: str = field(default_factory=_me)

    @property
    def host(self) -> str:
        """How the others call this process; a leader that takes the place of one that was killed is called the same."""
        return LEADER if self.leads else self.own

    def send(self, folder: Path, names: Iterable[str]) -> None:
        """Lay files where the others find them whole or not at all; what is there stays as it is."""
        with _reaching(self.files):
            system, root = fsspec.core.url_to_fs(f"{self.files}/{self.host}")
            system.makedirs(root, exist_ok=True)
            half = f"{root}/.{uuid4().hex}.half"
            for name in names:
                if not system.exists(f"{root}/{name}"):
                    system.put_file(str(folder / name), half)
                    system.mv(half, f"{root}/{name}")

    def fetch(self, host: str, folder: Path, names: Iterable[str]) -> None:
        """Bring the files of another host, unless there is one of that name already; raise OSError when one is gone."""
        system, root = fsspec.core.url_to_fs(f"{self.files}/{host}")
        half = folder / f".{uuid4().hex}.half"
        try:
            for name in names:
                if not (folder / name).exists():
                    system.get_file(f"{root}/{name}", str(half))
                    half.replace(folder / name)
        finally:
            half.unlink(missing_ok=True)

    def has(self, folder: Path, name: str) -> bool:
        """Bring a file of the leader, also of one that was killed; return whether there is one."""
        try:
            self.fetch(LEADER, folder, [name])
        except FileNotFoundError:
            return False
        return True

    def wait_for(self, folder: Path, name: str, until: float, is_over: Callable[[], bool]) -> None:
        """Bring a file of the leader as soon as it is there.

        Raise Unavailable after `until` (monotonic seconds), or when the search is over.
        """
        while not self.has(folder, name):
            if clock.monotonic() > until or is_over():
                raise Unavailable(f"The machine that leads {self.name} said nothing.", do="See whether it still runs.")
            clock.sleep(PAUSE)

    def clear(self) -> None:
        """Remove all files of the search."""
        system, root = fsspec.core.url_to_fs(self.files)
        if system.exists(root):
            system.rm(root, recursive=True)
