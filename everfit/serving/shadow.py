"""A challenger that answers in the background. Nobody is given its answers, and nobody waits for them.

It has a process of its own, at the lowest priority: whatever it does, be it slow, greedy or dead, the service only
finds that a queue is full, and drops what it would have asked.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from queue import Empty, Full
from time import monotonic
from typing import Any
from uuid import uuid4

import pandas as pd

from everfit import registry
from everfit.errors import EverfitError
from everfit.lake import Lake
from everfit.ledger import Entry, Kind, Ledger
from everfit.serving.comparing import Comparison, said_of, shadow_beside
from everfit.serving.reading import Asked, first
from everfit.serving.served import make_ready
from everfit.serving.versions import why_of
from everfit.settings import Settings
from everfit.spec import ModelSpec

WAITING = 200  # requests that may wait for the challenger; more are dropped
ROWS = 100  # of one request at most: those of a large one stand for all
KEEPS = 10.0  # seconds between two hand-overs to the lake, and looks at what they say
RESTS = 20  # times as long as the last of these looks took, if that is longer
PAUSE = 60.0  # seconds, after which a challenger is tried again that failed for a reason that time may heal
NICE = 19  # the lowest priority
SPAWN = multiprocessing.get_context("spawn")  # a fork would take over locks that other threads hold


@dataclass
class Shadow:
    """The service's side. `dropped` are requests that were not asked, because the challenger was too slow for them."""

    spec: ModelSpec
    settings: Settings
    version: int | None = field(default=None, init=False)
    beside: int = field(default=0, init=False)
    dropped: int = field(default=0, init=False)
    _queue: Any = field(default=None, init=False)
    _over: Any = field(default=None, init=False)
    _process: Any = field(default=None, init=False)
    _again: float = field(default=0.0, init=False)

    def follow(self, version: int | None, beside: int, stopped: Collection[str]) -> None:
        """Let this version answer beside that one, if it was not stopped; None: let none answer any more."""
        wanted = version if version != beside and subject(version, beside) not in stopped else None
        if (wanted, beside if wanted else 0) != (self.version, self.beside):
            self.stop()
        elif self._process is None or self._process.is_alive():
            return
        else:
            self._bury()
        if wanted is not None and monotonic() >= self._again:
            self._start(wanted, beside)

    def offer(self, ids: Sequence[str], asked: Asked) -> None:
        """Ask the challenger as well, if this request is among its share and there is room."""
        queue, share = self._queue, self.spec.rollout.shadow.share if self.spec.rollout.shadow else 0.0
        if queue is None or int.from_bytes(blake2b(ids[0].encode(), digest_size=8).digest(), "big") >= share * 2**64:
            return
        try:
            queue.put_nowait((list(ids[:ROWS]), first(asked, ROWS)))
        except (Full, ValueError):  # it was closed a moment ago
            self.dropped += 1

    def stop(self, patience: float = 5.0) -> None:
        """End the challenger; what it was asked is answered first, unless that takes too long."""
        process, queue = self._process, self._queue
        self._process, self._queue, self.version, self.beside = None, None, None, 0
        if process is not None:
            self._over.close()
            process.join(patience)
            process.kill()
            process.join()
        if queue is not None:
            queue.close()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"version": self.version, "beside": self.beside, "dropped": self.dropped}

    def _start(self, version: int, beside: int) -> None:
        queue: Any = SPAWN.Queue(WAITING)
        over, self._over = SPAWN.Pipe(duplex=False)  # no Event: the lock of one may have died with the process
        queue.cancel_join_thread()  # the service's end waits for nothing that was not read
        queue._ignore_epipe = True  # so that its thread ends in silence with the process that it writes to
        self._process = SPAWN.Process(
            target=answer, args=(self.settings, self.spec, version, beside, queue, over), daemon=True
        )
        self._process.start()
        over.close()
        queue._reader.close()  # the process has its own; with this one open, writing to a dead process would never end
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)  # from here, so that it holds for its imports too
        self._queue, self.version, self.beside = queue, version, beside

    def _bury(self) -> None:
        """See why a challenger ended that nobody stopped: one that crashed, or was killed, is not tried again.

        SIGTERM may have been meant for all processes of the service.
        """
        code, version, beside = self._process.exitcode, self.version, self.beside
        self.stop()
        self._again = monotonic() + PAUSE
        if code < 0 and code != -signal.SIGTERM:
            note = Note(self.spec.name, version or 0, beside, Ledger.of(self.settings), self.settings.actor)
            note.write("shadow_stopped", f"its process was ended by signal {-code}")


@dataclass(frozen=True)
class Note:
    """Writes what became of a challenger, once for all services of the model."""

    model: str
    version: int
    beside: int
    ledger: Ledger
    actor: str

    def write(self, kind: Kind, reason: str = "", more: str = "", **facts: Any) -> Entry:
        """Write one row, or return the one that is there."""
        known = {"version": self.version, "beside": self.beside, **facts}
        about = subject(self.version, self.beside) + more
        return self.ledger.once(kind, self.model, about, actor=self.actor, reason=reason, facts=known)[0]


def subject(version: int | None, beside: int) -> str:
    """Name a challenger beside a version."""
    return f"v{version} beside v{beside}"


def answer(settings: Settings, spec: ModelSpec, version: int, beside: int, queue: Any, over: Any) -> None:
    """Answer in a process of its own until the other end of `over` is closed; a failure is recorded, and final.

    What time may heal is not: the process ends with another code, and the service starts it again after a pause.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service says when it is over
    note = Note(spec.name, version, beside, Ledger.of(settings), settings.actor)
    try:
        _answer(settings, spec, note, queue, over)
    except Exception as cause:  # whatever it raises is one more reason not to promote it
        if isinstance(cause, OSError) or (isinstance(cause, EverfitError) and cause.transient):
            raise SystemExit(1) from cause
        note.write("shadow_stopped", why_of(cause, spec))


def _answer(settings: Settings, spec: ModelSpec, note: Note, queue: Any, over: Any) -> None:
    served = make_ready(spec, registry.load(settings, spec.name, note.version))
    since, lake, ended = note.write("shadow_started").at, Lake(settings), False
    again = 0.0
    while not ended:
        held, until = [], monotonic() + KEEPS
        try:
            while not ended and monotonic() < until:
                try:
                    ids, records = queue.get(timeout=0.2)
                except Empty:
                    ended = over.poll()
                else:
                    held.append(said_of(ids, served.predict(served.contract.columns(records))))
        finally:  # what was answered before it failed is kept all the same
            if held:
                lake.record_shadow(spec.name, pd.concat(held), version=note.version, batch_digest=uuid4().hex)
        if held and (ended or monotonic() >= again):
            began = monotonic()
            if found := shadow_beside(lake, spec, served.loaded, note.beside, since):
                tell(note, found)
            again = monotonic() + RESTS * (monotonic() - began)


def tell(note: Note, found: Comparison) -> None:
    """Record a comparison at each power of ten of answers and of labels, so that the history stays short."""
    more = f", {_rounded(found.answers)} answers, {_rounded(found.labels)} labels"
    note.write("shadow_compared", found.sentence, more, **found.to_dict())


def _rounded(count: int) -> int:
    return 10 ** (len(str(count)) - 1) if count else 0
