"""The worker processes: forked from one that has imported everything, and killed when their time is over."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from multiprocessing import connection, forkserver
from typing import Any

from everfit.search import memory, processes
from everfit.search.memory import Share
from everfit.search.places import Place
from everfit.search.tasks import Outcome, Task
from everfit.threads import ONE_THREAD

PRELOAD = "everfit.search.preload"
TICK = 0.25  # seconds
METRICS = "everfit.evaluation.metrics"  # lies above, hence only its name; every problem that a worker reads holds one
IF_THERE = "everfit.search.estimators.training"  # needs torch; what cannot be imported is left out without a word


LOOK = 0.5  # seconds between two looks at the memory of workers


def warm_up() -> None:
    """Start the process that workers are forked from; it imports what they need while the caller goes on."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD, METRICS, IF_THERE])
    with _environment(ONE_THREAD):
        forkserver.ensure_running()


def cpu_seconds() -> float:
    """Return the CPU-seconds that this process and all workers so far have used, whatever ended them."""
    server = getattr(forkserver, "_forkserver")._forkserver_pid  # noqa: B009 - workers are its children, not ours
    return time.process_time() + (processes.cpu_seconds(server) if server else 0.0)


def ready(seconds: float) -> bool:
    """Wait until workers can be forked, at most so long; return whether they can."""
    warm_up()
    first = multiprocessing.get_context("forkserver").Process(target=int, daemon=True)
    starting = threading.Thread(target=first.start, daemon=True)
    with bare_children():
        starting.start()  # which is answered when everything is imported
        starting.join(max(0.0, seconds))
    return not starting.is_alive()


@contextlib.contextmanager
def bare_children() -> Iterator[None]:
    """Let processes that start now have one thread each, and nothing of the caller's script."""
    with _environment(ONE_THREAD), _nameless_main():
        yield


@contextlib.contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    """Set variables for the child that starts now; take back what was not there before."""
    added = [name for name in wanted if name not in os.environ]
    os.environ.update({name: wanted[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextlib.contextmanager
def _nameless_main() -> Iterator[None]:
    """Hide the caller's script, which multiprocessing would otherwise run again in every worker."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@dataclass
class _Worker:
    process: Any
    channel: Any
    task: Task | None = None
    began: float = 0.0
    until: float = 0.0

    def kill(self) -> None:
        """End it and whatever it started."""
        if self.process.is_alive():
            processes.end(self.process.pid)
        processes.end_group(self.process.pid)  # which its children are in, unless they left it
        self.process.join(2)
        self.channel.close()


class Pool:
    """So many workers; each has one task or none. One that dies, is late or takes too much memory costs its task."""

    def __init__(self, share: Share, place: Place) -> None:
        warm_up()
        self.place, self.share = place, share
        self.looked = time.monotonic()
        self.workers = [self._hire() for _ in range(share.workers)]

    def _hire(self) -> _Worker:
        from everfit.search.worker import work

        context = multiprocessing.get_context("forkserver")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self.place, self.share), daemon=True)
        with bare_children():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""
        return sum(worker.task is None for worker in self.workers)

    @property
    def busy(self) -> int:
        """How many workers have something to do."""
        return len(self.workers) - self.idle

    def give(self, task: Task, until: float) -> None:
        """Give a task to an idle worker, to be killed at `until` (monotonic seconds)."""
        worker = next(worker for worker in self.workers if worker.task is None)
        worker.task, worker.began, worker.until = task, time.monotonic(), until
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died; `results` will notice
            worker.channel.send(task)

    def results(self, timeout: float) -> list[Outcome]:
        """Wait until something is done or fails, at most `timeout` seconds; return what became of it.

        What is late or holds more memory than its share is ended, and has failed.
        """
        busy = [worker for worker in self.workers if worker.task]
        late = min((worker.until for worker in busy), default=float("inf")) - time.monotonic()
        connection.wait([worker.channel for worker in busy], timeout=max(0.0, min(timeout, late)))
        outcomes = [self._look(at) for at, worker in enumerate(self.workers) if worker.task]
        return [*(outcome for outcome in outcomes if outcome is not None), *self._end_heavy()]

    def _look(self, at: int) -> Outcome | None:
        worker = self.workers[at]
        task = worker.task
        assert task is not None
        try:
            if worker.channel.poll():
                outcome: Outcome = worker.channel.recv()
                worker.task = None
                return outcome
        except (EOFError, OSError):
            worker.process.join(1)
            return self._replace(at, task, "failed", _death(worker.process.exitcode))
        if time.monotonic() >= worker.until:
            seconds = time.monotonic() - worker.began
            return self._replace(at, task, "timed out", f"not done after {seconds:.1f} seconds")
        return None

    def _end_heavy(self) -> list[Outcome]:
        """End the tasks whose worker holds more than its share, together with whatever it started."""
        if self.share.bytes == inf or time.monotonic() < self.looked + LOOK:
            return []
        self.looked, known = time.monotonic(), processes.children()
        return [
            self._replace(at, worker.task, "failed", self.share.passed)
            for at, worker in enumerate(self.workers)
            if worker.task and memory.held(processes.family(worker.process.pid, known)) > self.share.bytes
        ]

    def _replace(self, at: int, task: Task, status: Any, reason: str) -> Outcome:
        worker = self.workers[at]
        worker.kill()
        self.workers[at] = self._hire()
        seconds = time.monotonic() - worker.began
        return Outcome(task.number, task.family, task.params, status, reason, seconds=seconds)

    def all(self, tasks: Sequence[Task], until: float, stop: Callable[[], bool] | None = None) -> list[Outcome]:
        """Have tasks done by whoever is idle; return what became of them by `until`, in any order.

        When somebody wants it to `stop`, what is not done by then is left out.
        """
        waiting, done = list(tasks), list[Outcome]()
        while len(done) < len(tasks) and not (stop and stop()):
            while waiting and self.idle:
                self.give(waiting.pop(0), until)
            done += self.results(TICK)
        return done

    def drop(self) -> list[Task]:
        """End all running tasks, and return them; their workers are replaced."""
        tasks = [worker.task for worker in self.workers if worker.task]
        for at, worker in enumerate(self.workers):
            if worker.task:
                worker.kill()
                self.workers[at] = self._hire()
        return tasks

    def close(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.kill()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = "; memory may have run out" if name in ("SIGKILL", "SIGABRT") else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended by itself (exit code {code})"
