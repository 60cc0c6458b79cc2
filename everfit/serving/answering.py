"""What happens to a request: it is read, answered by the champion of this moment, and kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

from everfit import evaluation
from everfit.errors import first_line
from everfit.personal import Personal
from everfit.serving.answers import Answers, Doubts, answers_of, entries, must_be_numbers, new_ids
from everfit.serving.following import Follower, Live
from everfit.serving.journal import Journal
from everfit.serving.metrics import Metrics
from everfit.serving.reading import Asked, Intake, Refused
from everfit.serving.served import Served
from everfit.serving.tokens import holder_of
from everfit.serving.upkeep import Upkeep
from everfit.serving.values import FEW, text
from everfit.serving.versions import why_of
from everfit.serving.watching import log_lag
from everfit.spec import ModelSpec

LOG = logging.getLogger("everfit")
Said = tuple[dict[str, list[Any]], evaluation.Predicted, Doubts | None]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Service:
    """One model that answers. `tokens` are those that may ask; without any, everybody may.

    What is `told` of it has a thread of its own, as `upkeep` has: large requests, which share the other threads, never
    wait for a database that hangs.
    """

    spec: ModelSpec
    follower: Follower
    journal: Journal
    metrics: Metrics
    tokens: Mapping[str, bytes]
    personal: Personal
    busy: int = field(default=0, init=False)
    upkeep: Upkeep = field(init=False)
    intake: Intake = field(init=False)
    _telling: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "telling"), init=False)

    def __post_init__(self) -> None:
        self.upkeep = Upkeep(self.spec, self.follower, self.journal, self.metrics)
        self.intake = Intake(self.spec.serve)

    @property
    def version(self) -> int | None:
        """The version that answers; None while there is none."""
        return self.follower.served.version if self.follower.served else None

    def admit(self, header: str) -> str:
        """Return the name of a token; empty where none is needed. Raise Refused for whoever brings none of them."""
        name = holder_of(header, self.tokens)
        if self.tokens and not name:
            raise Refused(401, "token", "a token is needed: Authorization: Bearer ...")
        return name

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place among the requests under way; raise Refused when all are taken."""
        if self.busy >= self.spec.serve.concurrency:
            raise Refused(503, "busy", f"{self.busy} requests are under way; come again")
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    def live(self) -> Live:
        """Return who answers; raise Refused while nobody does."""
        if self.follower.live is None:
            raise Refused(503, "no champion", "no champion answers yet", refused=self.refused())
        return self.follower.live

    async def answer(self, asked: Asked, *, source: str) -> tuple[Served, Answers]:
        """Answer records or columns, and keep the answers before they are given; many of them in a thread.

        Raise BadRecords for values that cannot be read, and Refused without a champion or when nothing can be kept.
        """
        live = self.live()
        rows, began = rows_in(asked), perf_counter()
        ids = new_ids(rows)
        key = self._key(ids[0], asked)
        canary = live.canary_for(key)
        live.tally.keyless += key is None
        said = await self._said_by_canary(live, canary, asked) if canary else None
        served = canary if canary and said else live.main
        columns, predicted, doubts = said or await ask(served, asked)
        answers = await aside(rows, answers_of, ids, predicted, doubts)
        if self.spec.serve.log != "off":
            took = 1000 * (perf_counter() - began)
            role = "champion" if served is live.main else "canary"
            about = {"version": served.version, "role": role, "source": source, "ms": round(took, 3)}
            await self._keep(rows, await aside(rows, entries, columns, answers, about, self.personal))
        self.metrics.answered(rows, served.version)
        self.metrics.abstained(reason.kind for reasons in (doubts or {}).values() for reason in reasons)
        self.follower.shadow.offer(ids, asked)
        return served, answers

    def _key(self, prediction_id: str, asked: Asked) -> str | None:
        """Return by what a canary is chosen; None for a first record without the field that the model file names."""
        by = self.spec.rollout.canary.by if self.spec.rollout.canary else None
        if by is None:
            return prediction_id
        if isinstance(asked, Mapping):
            value = asked[by][0] if by in asked else None
        else:
            value = asked[0].get(by) if isinstance(asked[0], Mapping) else None
        key = text(value)  # 5 of one client and 5.0 of another are one customer
        return key if isinstance(key, str) else None

    async def _said_by_canary(self, live: Live, canary: Served, asked: Asked) -> Said | None:
        """Ask the canary; None, and it is counted, when it fails and the main version is to answer in its place."""
        began, policy = perf_counter(), self.spec.rollout.canary
        try:
            said = await ask(canary, asked)
            must_be_numbers(said[1])
        except Exception as cause:  # noqa: BLE001 - a client must not notice what a canary raises
            await aside(rows_in(asked), live.main.contract.columns, asked)  # neither reads a client's mistake
            if live.tally.failed(cause):  # a line for each request would be too many
                LOG.warning("%s v%d failed as a canary: %s", self.spec.name, canary.version, why_of(cause, self.spec))
            return None
        live.tally.answered(rows_in(asked), 1000 * (perf_counter() - began), policy.max_latency_ms if policy else None)
        return said

    async def _keep(self, rows: int, kept: Sequence[dict[str, Any]]) -> None:
        limits = self.spec.serve
        try:
            await self.journal.write(kept, may_lose=limits.may_lose if limits.log == "async" else 0)
        except OSError as cause:
            self.metrics.failed("log")
            self.upkeep.unkept.note(rows, refused=limits.when_log_fails == "refuse")
            if limits.when_log_fails == "refuse":
                why = f"the answer could not be kept: {first_line(cause)}"
                raise Refused(503, "log", why) from cause

    async def told(self, tell: Callable[[Service], T]) -> T:
        """Return what is told of this service by whoever has to read the ledger for it."""
        return await asyncio.get_running_loop().run_in_executor(self._telling, tell, self)

    def refused(self) -> dict[str, str]:
        """Say which versions could not serve, and why."""
        return {f"v{version}": why for version, why in self.follower.refused.items()}

    def measured(self) -> bytes:
        """Return the metrics as text."""
        if served := self.follower.served:
            self.metrics.serves(served.loaded.card, served.version, served.compiled is not None)
        stage = self.follower.live.stage if self.follower.live else None
        self.metrics.rollout(stage.share if stage else 0.0, self.follower.shadow.dropped)
        lag, lost = log_lag(self.journal.folder), self.upkeep.unkept.lost
        return self.metrics.text(self.version, self.journal.waiting, self.busy, lag, lost)


def rows_in(asked: Asked) -> int:
    """Return how many records are asked about."""
    return len(next(iter(asked.values()), [])) if isinstance(asked, Mapping) else len(asked)


async def aside(rows: int, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do something at once for few rows, and in a thread for many, which would keep other requests waiting."""
    return do(*args, **kwargs) if rows <= FEW else await asyncio.to_thread(do, *args, **kwargs)


async def ask(served: Served, asked: Asked) -> Said:
    """Return the values of each field, what a version says of the records, and why some of it is held back.

    Raise BadRecords for values that cannot be read.
    """
    rows = rows_in(asked)
    columns = await aside(rows, served.contract.columns, asked)
    predicted = await aside(rows, served.predict, columns)
    return columns, predicted, await aside(rows, served.doubts, columns, predicted)
