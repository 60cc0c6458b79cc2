"""What happens to a request: it is read, answered by the champion of this moment, and kept."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

import numpy as np
from starlette.requests import Request

from everfit import evaluation
from everfit.errors import EverfitError, Unavailable, first_line
from everfit.ledger import Ledger
from everfit.personal import Personal
from everfit.serving.abstaining import Reason, without
from everfit.serving.drain import drain
from everfit.serving.following import Follower
from everfit.serving.journal import Journal
from everfit.serving.metrics import Metrics
from everfit.serving.served import FEW, Served
from everfit.serving.tokens import holder_of
from everfit.serving.unkept import Unkept
from everfit.serving.watching import Watch, log_lag
from everfit.spec import ModelSpec, Serve

LOOKS = 1.0  # seconds between two looks at who is champion
DRAINS = 30.0  # seconds between two hand-overs to the lake


class Refused(Exception):
    """A request that is not answered, with its HTTP status and a short kind for the metrics."""

    def __init__(self, status: int, kind: str, what: str, **facts: Any) -> None:
        super().__init__(what)
        self.status, self.kind, self.what, self.facts = status, kind, what, facts


@dataclass
class Service:
    """One model that answers. `tokens` are those that may ask; without any, everybody may."""

    spec: ModelSpec
    follower: Follower
    journal: Journal
    metrics: Metrics
    tokens: Mapping[str, bytes]
    personal: Personal
    busy: int = field(default=0, init=False)
    watch: Watch = field(init=False)
    unkept: Unkept = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.spec.name)
        self.unkept = Unkept(self.journal)

    @property
    def version(self) -> int | None:
        """The version that answers; None while there is none."""
        return self.follower.served.version if self.follower.served else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the champion and hand answers over to the lake, until the end; then once more."""
        await self._look()
        tasks = [
            asyncio.create_task(self._every(LOOKS, self._look)),
            asyncio.create_task(self._every(DRAINS, self._drain)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.journal.settle()
            await self._drain()

    def admit(self, header: str) -> None:
        """Raise Refused for whoever brings none of the tokens, if there are any."""
        if self.tokens and not holder_of(header, self.tokens):
            raise Refused(401, "token", "a token is needed: Authorization: Bearer ...")

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

    def champion(self) -> Served:
        """Return the version that answers; raise Refused while there is none."""
        if self.follower.served is None:
            raise Refused(503, "no champion", "no champion answers yet", refused=self.refused())
        return self.follower.served

    async def answer(self, records: Sequence[Any], *, source: str) -> tuple[Served, list[dict[str, Any]]]:
        """Answer records, and keep the answers before they are given.

        Raise BadRecords for values that cannot be read, and Refused without a champion or when nothing can be kept.
        """
        served = self.champion()
        began = perf_counter()
        columns = served.contract.columns(records)
        many = len(records) > FEW
        predicted, doubts = await asyncio.to_thread(asked, served, columns) if many else asked(served, columns)
        answers = answers_of(predicted)
        if self.spec.serve.log != "off":
            took = 1000 * (perf_counter() - began)
            await self._keep(entries(served, columns, answers, source, took, doubts, self.personal))
        self.metrics.answered(len(records), served.version)
        self.metrics.abstained(reason.kind for reasons in doubts.values() for reason in reasons)
        return served, answers if served.abstention is None else without(answers, doubts)

    async def _keep(self, kept: Sequence[dict[str, Any]]) -> None:
        limits = self.spec.serve
        try:
            await self.journal.write(kept, may_lose=limits.may_lose if limits.log == "async" else 0)
        except OSError as cause:
            self.metrics.failed("log")
            self.unkept.note(len(kept), cause, refused=limits.when_log_fails == "refuse")
            if limits.when_log_fails == "refuse":
                why = f"the answer could not be kept: {first_line(cause)}"
                raise Refused(503, "log", why) from cause

    async def _look(self) -> None:
        try:
            await asyncio.to_thread(self._look_around)
        except Unavailable:
            self.metrics.failed("ledger")

    def _look_around(self) -> None:
        self.follower.look()
        served = self.follower.served
        inputs = set(served.loaded.card["inputs"]) - {self.spec.data.time} if served else ()
        if last := self.watch.look(Ledger.of(self.follower.settings), len(inputs)):
            self.metrics.judged(last)

    async def _drain(self) -> None:
        await asyncio.to_thread(self._hand_over)

    def _hand_over(self) -> None:
        """Hand what is written over to the lake, and tell the ledger of what could not be written."""
        settings = self.follower.settings
        self.journal.rotate()
        try:
            drain(settings, self.spec, self.journal.folder)
            self.unkept.tell(settings, self.spec.name)
        except (EverfitError, OSError) as cause:
            self.metrics.failed("lake")
            logging.getLogger("everfit").warning("%s: answers wait on disk: %s", self.spec.name, first_line(cause))

    async def _every(self, seconds: float, do: Any) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await do()
            except Exception:  # the next time may go well, and nobody else would look again
                self.metrics.failed("upkeep")
                logging.getLogger("everfit").exception("%s: the service goes on without %s", self.spec.name, do)

    def refused(self) -> dict[str, str]:
        """Say which versions could not serve, and why."""
        return {f"v{version}": why for version, why in self.follower.refused.items()}

    def measured(self) -> bytes:
        """Return the metrics as text."""
        if served := self.follower.served:
            self.metrics.serves(served.loaded.card, served.version, served.compiled is not None)
        lag, lost = log_lag(self.journal.folder), self.unkept.lost
        return self.metrics.text(self.version, self.journal.waiting, self.busy, lag, lost)

    def about(self) -> dict[str, Any]:
        """Say which model answers, since when it is known, and how good it was."""
        served = self.follower.served
        if served is None:
            return {"model": self.spec.name, "version": None, "refused": self.refused()}
        card = served.loaded.card
        facts = {name: card[name] for name in ("task", "target", "metric", "classes", "scores", "snapshot", "reason")}
        return {"model": self.spec.name, "version": served.version, **facts, "notes": served.notes,
                "compiled": served.compiled is not None, "refused": self.refused()}  # fmt: skip


async def body_of(request: Request, limits: Serve) -> Any:
    """Return the JSON of a request; raise Refused when it is too large, or none."""
    most = int(limits.max_body_mb * 2**20)
    if int(request.headers.get("content-length") or 0) > most:
        raise Refused(413, "too large", f"a request may have {limits.max_body_mb:g} MB")
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > most:
            raise Refused(413, "too large", f"a request may have {limits.max_body_mb:g} MB")
    try:
        return json.loads(read)
    except (ValueError, RecursionError) as cause:
        raise Refused(422, "no JSON", f"the body is no JSON: {first_line(cause)}") from cause


def records_of(body: Any, limits: Serve) -> list[Any]:
    """Return one record, or a list of them, as a list; raise Refused when there are none or too many."""
    records = body if isinstance(body, list) else [body]
    if not records:
        raise Refused(422, "no records", "the list of records is empty")
    if len(records) > limits.max_rows:
        raise Refused(413, "too many", f"{len(records):,} records came, and {limits.max_rows:,} may come at once")
    return records


def answers_of(predicted: evaluation.Predicted) -> list[dict[str, Any]]:
    """Return an answer for each row, with an id by which its label may come later."""
    values = np.asarray(predicted.values).tolist()
    if predicted.proba is None or predicted.classes is None:
        return [{"id": uuid4().hex, "prediction": value} for value in values]
    names = [str(label) for label in predicted.classes.tolist()]
    return [
        {"id": uuid4().hex, "prediction": value, "probabilities": dict(zip(names, row, strict=True))}
        for value, row in zip(values, predicted.proba.tolist(), strict=True)
    ]


def asked(
    served: Served, columns: Mapping[str, list[Any]]
) -> tuple[evaluation.Predicted, Mapping[int, Sequence[Reason]]]:
    """Return what a version says of records, and why some of it is held back."""
    predicted = served.predict(columns)
    return predicted, served.doubts(columns, predicted)


def entries(
    served: Served, columns: Mapping[str, list[Any]], answers: Sequence[dict[str, Any]], source: str, took: float,
    doubts: Mapping[int, Sequence[Reason]], personal: Personal,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return what is kept of each answer, with a prediction that was held back, and nothing personal in clear."""
    shared = {"at": datetime.now(UTC).isoformat(), "version": served.version, "source": source, "ms": round(took, 3)}
    names = personal.names(columns)
    kept = [[personal.kept(name, value) for value in columns[name]] for name in names]
    rows = zip(*kept, strict=True) if kept else [()] * len(answers)
    return [
        {**answer, **shared, "abstained": "; ".join(map(str, doubts.get(at, ()))),
         "fields": dict(zip(names, row, strict=True))}
        for at, (answer, row) in enumerate(zip(answers, rows, strict=True))
    ]  # fmt: skip
