"""Read the journal's files that nobody writes to any more."""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everfit.errors import first_line
from everfit.serving.journal import ENDING
from everfit.serving.packed import PACKED, unpack

NEEDED = {"id", "at", "version", "fields"}  # of an entry


@dataclass(frozen=True)
class Closed:
    """A file that nobody writes to any more: the `number`th of its writer, with its entries and lines that are none."""

    path: Path
    writer: str
    number: int
    entries: list[dict[str, Any]]
    broken: list[bytes]


def closed(folder: Path) -> Iterator[Closed]:
    """Yield the files that nobody writes to any more, those of one writer in the order of their numbers.

    The last line of a process that was killed may be cut off: nobody was told of it. A file that cannot be opened is a
    warning, and waits with all that its writer wrote after it, for the lake only remembers how far it got.
    """
    waiting = set[str]()
    for path in sorted(folder.glob(f"*{ENDING}")):
        writer, _, number = path.stem.rpartition("-")
        named = (writer, int(number)) if writer and number.isdecimal() else (path.stem, 0)
        try:
            lines = None if named[0] in waiting else _lines(path)
        except OSError as cause:
            logging.getLogger("everfit").warning("%s cannot be read, and waits: %s", path, first_line(cause))
            lines = None
        if lines is None:
            waiting.add(named[0])
            continue
        read = [entries_of(line) for line in lines]
        broken = [line for line, held in zip(lines, read, strict=True) if held is None]
        yield Closed(path, *named, [entry for held in read if held for entry in held], broken)


def _lines(path: Path) -> list[bytes] | None:
    """Return the whole lines of a file; None while somebody writes to it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return file.read().split(b"\n")[:-1]


def entries_of(line: bytes) -> list[dict[str, Any]] | None:
    """Read one line of the journal, which holds an answer or many; None when it holds none."""
    try:
        entry = json.loads(line)
        entries = unpack(entry) if isinstance(entry, dict) and PACKED in entry else [entry]
    except (ValueError, KeyError, TypeError, OSError):
        return None
    whole = bool(entries) and all(isinstance(each, dict) and each.keys() >= NEEDED for each in entries)
    return entries if whole else None
