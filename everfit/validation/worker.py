"""Great Expectations in a process of its own, which can be made ready early and killed when it hangs.

A backtracking regular expression holds the interpreter, so no timer or thread of the same process can end it; the
clock has to stand outside. The process starts in the background (`warm_up`), answers one question at a time, serves
until this process ends, and is replaced when it dies. Its six seconds of import pass while a run reads its data.
"""

import atexit
import hashlib
import os
import pickle
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from everfit.errors import Unavailable, first_line
from everfit.threads import ONE_THREAD

START_LIMIT = 180.0
ENVIRONMENT = {"GX_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", **ONE_THREAD}
BOOT = "import sys; sys.path[:] = {path!r}; from everfit.validation.worker import serve; serve({handle})"


class WorkerLost(Unavailable):
    """The process ended, or did not answer in time (`late`); it is gone, and the next question starts a new one."""


class Worker:
    """One such process and the pipe to it. Threads take turns."""

    def __init__(self) -> None:
        ours, theirs = Pipe()
        self.pid, self.imported, self._pipe = os.getpid(), dict[Path, str](), ours
        command = [sys.executable, "-c", BOOT.format(path=sys.path, handle=theirs.fileno())]
        self._process = subprocess.Popen(
            command,
            pass_fds=(theirs.fileno(),),
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self._ready = False

    @property
    def alive(self) -> bool:
        """Whether the process is there and was started by this one, not inherited through a fork."""
        return self.pid == os.getpid() and self._process.poll() is None

    def ask(self, question: str, arguments: dict[str, Any], limit: float) -> Any:
        """Wait for the answer; raise what the process raised, or WorkerLost when the limit passes first."""
        if not self._ready:
            self._receive(START_LIMIT)
            self._ready = True
        try:
            _send(self._pipe, (question, arguments))
        except OSError as cause:
            raise self._lost("it ended unexpectedly") from cause
        return self._receive(limit)

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        if self.pid == os.getpid():
            self._process.kill()
            self._process.wait()
        self._pipe.close()

    def _receive(self, limit: float) -> Any:
        try:
            if not self._pipe.poll(limit):
                raise self._lost(f"it did not answer within {limit:.0f} s", late=True)
            answer = _read(self._pipe)
        except (EOFError, OSError) as cause:
            raise self._lost("it ended unexpectedly, perhaps for want of memory") from cause
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _lost(self, why: str, *, late: bool = False) -> WorkerLost:
        self.stop()
        return WorkerLost(f"Great Expectations was stopped: {why}.", do="Run the same command again.", late=late)


_lock = threading.RLock()
_current: Worker | None = None


def warm_up() -> None:
    """Start the process in the background and return at once."""
    with _lock:
        _take({})


def ask(question: str, *, custom: tuple[Path, ...] = (), limit: float = 600.0, **arguments: Any) -> Any:
    """Ask the process, starting it if need be, and anew when a file that it has imported was changed since."""
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in custom}
    with _lock:
        worker = _take(digests)
        answer = worker.ask(question, {**arguments, "custom": custom}, limit)
        worker.imported |= digests
        return answer


def stop() -> None:
    """End the process; the next question starts another."""
    global _current
    with _lock:
        if _current is not None:
            _current.stop()
        _current = None


def _take(digests: dict[Path, str]) -> Worker:
    global _current
    if _current is not None:
        changed = any(_current.imported.get(path, digest) != digest for path, digest in digests.items())
        if changed or not _current.alive:
            _current.stop()
            _current = None
    if _current is None:
        _current = Worker()
    return _current


atexit.register(stop)


def serve(handle: int) -> None:
    """Answer questions until the other side closes; the life of the process."""
    with Connection(handle) as pipe:
        try:
            from everfit.validation import engine
        except ImportError as cause:
            _send(pipe, Unavailable(f"Great Expectations cannot be imported: {first_line(cause)}."))
            return
        _send(pipe, "ready")
        while True:
            try:
                question, arguments = _read(pipe)
            except EOFError:
                return
            try:
                answer: Any = getattr(engine, question)(**arguments)
            except Exception as cause:  # noqa: BLE001 - it is raised again, on the other side of the pipe
                answer = cause
            _send(pipe, answer)


def _send(pipe: Connection, thing: Any) -> None:
    """Send a pickle and its large buffers beside it, so that a frame is copied once and not three times."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    pipe.send((len(buffers), head))
    for buffer in buffers:
        pipe.send_bytes(buffer.raw())


def _read(pipe: Connection) -> Any:
    count, head = pipe.recv()
    # Both ends of the pipe are this program.
    return pickle.loads(head, buffers=[pipe.recv_bytes() for _ in range(count)])  # noqa: S301
