"""Where a search lies on disk: a folder that leaves with it, or one where it is gone on with after it was killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from everfit.files import replacing
from everfit.locks import locked

TEMPORARY = "everfit-search-"
LOCK = "lock"
USED, SIZE = "used.txt", "size.txt"


@dataclass(frozen=True)
class Place:
    """The folder of one search; a `lasting` one stays when the search is killed."""

    folder: Path
    lasting: bool = False

    def size(self, allowed: float) -> float:
        """Return the seconds by which the trials of this search are sized: those that it was allowed when it began."""
        file = self.folder / SIZE
        if not file.exists():
            with replacing(file) as half:
                half.write_text(str(allowed))
        return float(file.read_text())

    def used(self) -> float:
        """Return the seconds that the search had used when it was killed; none when it begins here."""
        file = self.folder / USED
        return float(file.read_text()) if file.exists() else 0.0

    def use(self, seconds: float) -> None:
        """Write down the seconds that the search has used, where somebody may ask for them."""
        if self.lasting:
            with replacing(self.folder / USED) as half:
                half.write_text(str(seconds))


@contextmanager
def place(parent: Path | None, identity: str = "") -> Iterator[Place]:
    """Yield the folder of a search in `parent`, by default the system's one for temporary files.

    With an `identity`, which names everything that decides what a search finds, that is the folder of the search of
    the same identity that was killed, if there is one; those of other identities are removed. What failed is not gone
    on with. While another process searches there, it is a temporary one.
    """
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    if parent is None or not identity:
        with _temporary(parent) as made:
            yield made
        return
    with (
        locked(parent / LOCK, wait=False) as mine,
        _lasting(parent, identity) if mine else _temporary(parent) as made,
    ):
        yield made


def forget(parent: Path) -> None:
    """Remove what searches left to be gone on with, unless one is at work there."""
    with locked(parent / LOCK, wait=False) as mine:
        if mine:
            _sweep(parent)


@contextmanager
def _temporary(parent: Path | None) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=parent))
    try:
        yield Place(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lasting(parent: Path, identity: str) -> Iterator[Place]:
    _sweep(parent, but=identity)
    folder = parent / identity
    folder.mkdir(exist_ok=True)
    try:
        yield Place(folder, lasting=True)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _sweep(parent: Path, but: str = "") -> None:
    """Remove the folders of other searches; a temporary one has its own process, which sees to that."""
    for folder in parent.iterdir():
        if folder.is_dir() and folder.name != but and not folder.name.startswith(TEMPORARY):
            shutil.rmtree(folder, ignore_errors=True)
