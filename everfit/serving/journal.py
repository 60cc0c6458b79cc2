"""Every answer on disk before it is given: files that only grow, synced once for all answers that wait."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

ENDING = ".jsonl"
LARGEST = 16 * 2**20  # bytes of one file, after which the next one is begun


@dataclass
class Journal:
    """The answers of one process, as lines of JSON. A file is held by a lock as long as somebody writes to it.

    `write` returns once its lines are on disk; all that wait meanwhile share the next sync (group commit). What cannot
    be written raises OSError, for everybody who waited for it.
    """

    folder: Path
    _file: BinaryIO | None = field(default=None, init=False)
    _waiting: list[tuple[bytes, asyncio.Future[None]]] = field(default_factory=list, init=False)
    _writer: asyncio.Task[None] | None = field(default=None, init=False)

    async def write(self, entries: Sequence[dict[str, Any]]) -> None:
        """Keep some answers."""
        lines = b"".join(json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((lines, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._sync())
        await done

    @property
    def waiting(self) -> int:
        """How many writes are not on disk yet."""
        return len(self._waiting)

    async def _sync(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._append, b"".join(lines for lines, _ in batch))
            except OSError as cause:
                for _, done in batch:
                    done.set_exception(cause)
            else:
                for _, done in batch:
                    done.set_result(None)

    def _append(self, lines: bytes) -> None:
        file = self._open()
        before = file.tell()
        try:
            file.write(lines)
            file.flush()
            os.fdatasync(file.fileno())
        except OSError:
            with suppress(OSError):  # half a line would hide the next one
                file.truncate(before)
            self.rotate()
            raise
        if file.tell() >= LARGEST:
            self.rotate()

    def _open(self) -> BinaryIO:
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / f"{uuid4().hex}{ENDING}").open("ab", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sync_folder(self.folder)
        return self._file

    def rotate(self) -> None:
        """Let go of the present file, so that it can be drained; the next answer begins another."""
        file, self._file = self._file, None
        if file:
            with suppress(OSError):
                file.close()


def closed(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Yield the files that nobody writes to any more, oldest first, with what they hold.

    The last line of a process that was killed may be cut off: nobody was told of it.
    """
    for path in sorted(folder.glob(f"*{ENDING}"), key=lambda file: file.stat().st_mtime):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            lines = file.read().split(b"\n")
            yield path, [json.loads(line) for line in lines[:-1]]


def _sync_folder(folder: Path) -> None:
    """Make sure that the name of a new file survives a crash as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
