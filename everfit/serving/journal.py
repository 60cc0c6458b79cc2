"""Every answer on disk before it is given: files that only grow, synced once for all answers that wait."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO
from uuid import uuid4

from everfit.errors import first_line
from everfit.serving.packed import answers_in
from everfit.serving.values import FEW

ENDING = ".jsonl"
ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode  # json.dumps makes one for each call
LARGEST = 16 * 2**20  # bytes of one file, after which the next one is begun


@dataclass(frozen=True)
class _Write:
    """Some lines that are not on disk yet; nobody waits for those without `done`."""

    lines: bytes
    answers: int
    done: asyncio.Future[None] | None


@dataclass
class Journal:
    """The answers of one process, as lines of JSON, each of which holds one or many.

    A file is held by a lock as long as somebody writes to it. All writes that wait at the same time share one sync
    (group commit). Files are named by their writer and a number that grows, so that what was handed over needs one
    number for each writer. `lost` are answers that were given and could not be kept; `failing` says whether the last
    write failed, and `failure` why one failed last. They are written in a thread of their own: in one that others use
    too, an answer would wait for whatever hangs there.
    """

    folder: Path
    waiting: int = field(default=0, init=False)
    lost: int = field(default=0, init=False)
    failing: bool = field(default=False, init=False)
    failure: str = field(default="", init=False)
    _writer: str = field(default_factory=lambda: uuid4().hex, init=False)
    _number: int = field(default=0, init=False)
    _file: BinaryIO | None = field(default=None, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)  # the file may be let go while a thread writes to it
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "journal"), init=False)
    _waiting: list[_Write] = field(default_factory=list, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    async def write(self, entries: Sequence[dict[str, Any]], *, may_lose: int = 0) -> None:
        """Keep some answers: return once they are on disk, or at once while at most `may_lose` answers are not.

        Raise OSError, for everybody who waited, when they cannot be written. After that everybody waits until it works
        again. Whoever stops waiting has its answers kept all the same.
        """
        answers = answers_in(entries)
        lines = _lines(entries) if answers <= FEW else await asyncio.to_thread(_lines, entries)
        self.waiting += answers
        waits = self.failing or self.waiting > may_lose
        done = asyncio.get_running_loop().create_future() if waits else None
        self._waiting.append(_Write(lines, answers, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._sync())
        if done:
            await done

    async def settle(self) -> None:
        """Wait until nothing waits any more, and let go of the present file."""
        if self._task:
            await self._task
        await asyncio.to_thread(self.rotate)

    async def _sync(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            failure: Exception | None = None
            try:
                lines = b"".join(write.lines for write in batch)
                await asyncio.get_running_loop().run_in_executor(self._thread, self._append, lines)
            except Exception as cause:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                failure = cause
            self.failing = failure is not None
            self.failure = first_line(failure) if failure else self.failure
            for write in batch:
                self._tell(write, failure)

    def _tell(self, write: _Write, failure: Exception | None) -> None:
        self.waiting -= write.answers
        if write.done is None:
            self.lost += write.answers if failure else 0
        elif write.done.done():  # its request was cancelled meanwhile
            return
        elif failure:
            write.done.set_exception(failure)
        else:
            write.done.set_result(None)

    def _append(self, lines: bytes) -> None:
        with self._lock:
            file = self._open()
            before = file.tell()
            try:
                _write_all(file, lines)
                os.fdatasync(file.fileno())
            except OSError:
                with suppress(OSError):  # nobody writes behind half a line: the file is let go
                    file.truncate(before)
                self._let_go()
                raise
            if file.tell() >= LARGEST:
                self._let_go()

    def _open(self) -> BinaryIO:
        if self._file and os.fstat(self._file.fileno()).st_nlink == 0:
            self._let_go()  # somebody removed it: what is written there is nowhere
        if self._file is None:
            self._file = self._begin()
        return self._file

    def _begin(self) -> BinaryIO:
        """Begin a file that is locked before others can see it: one that is free and empty would be taken away."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self._writer}-{self._number:08}{ENDING}"
        self._number += 1  # also if this fails: a name that was seen is never used again
        hidden = path.with_suffix(".new")
        file = hidden.open("wb", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
            for folder in (self.folder, self.folder.parent):
                _sync_folder(folder)
        except OSError:
            file.close()
            hidden.unlink(missing_ok=True)
            raise
        return file

    def rotate(self) -> None:
        """Let go of the present file, so that it can be drained; the next answer begins another."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file:
            with suppress(OSError):
                file.close()


def _lines(entries: Sequence[dict[str, Any]]) -> bytes:
    return "".join(f"{ENCODE(entry)}\n" for entry in entries).encode()


def _write_all(file: BinaryIO, lines: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part without an error."""
    rest = memoryview(lines)
    while rest:
        rest = rest[file.write(rest) :]


def _sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a crash as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
