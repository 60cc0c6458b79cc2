"""Why the champion answers as it does: contributions of raw fields, computed beside predictions, never before them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

import pandas as pd
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from everfit.explanation.explainer import TOLERANCE, Explainer
from everfit.serving.answering import Service, rows_in
from everfit.serving.reading import Parse, Refused
from everfit.serving.served import Served

TOP = 10
WAITING = 4  # explanations under way; more would take the places of predictions
NICE = 10  # predictions come first

Handler = Callable[[Request], Awaitable[Response]]

_known: dict[int, Explainer] = {}  # in the process that explains: the version that it knows


class Explaining:
    """A process of its own that explains: in the same interpreter, predictions would wait for explanations.

    It is started for the first explanation, which takes seconds, and keeps a copy of one version. One that dies is
    started again.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._told: int | None = None
        self._one = asyncio.Lock()

    async def explain(self, served: Served, columns: Mapping[str, Sequence[Any]], top: int) -> list[dict[str, Any]]:
        """Return the explanation of each record, with the largest contributions one by one; Refused if it dies."""
        async with self._one:  # what the process was told of the version holds for whoever comes next
            return await self._explain(served, columns, top)

    async def _explain(self, served: Served, columns: Mapping[str, Sequence[Any]], top: int) -> list[dict[str, Any]]:
        pool = self._pool = self._pool or _pool()
        new = None if self._told == served.version else await asyncio.to_thread(lambda: served.explainer)
        self._told = None  # what raises or is cancelled leaves unknown which version the process knows
        try:  # in a thread: `submit` starts the process, and waits until it has imported what it needs
            begun = await asyncio.to_thread(pool.submit, _explained, served.version, new, columns, top)
            told = await asyncio.wrap_future(begun)
        except BrokenProcessPool as cause:
            self.close()
            raise Refused(503, "explainer", "the process that explains has ended; come again") from cause
        self._told = served.version
        return told

    def close(self) -> None:
        """End it, when what it is at is done."""
        pool, self._pool, self._told = self._pool, None, None
        if pool:
            pool.shutdown(cancel_futures=True)


def explain(
    service: Service, process: Explaining, parsers: Mapping[str, Parse]
) -> Callable[[Request], Awaitable[Response]]:
    """Explain one record, or a list of them; one request after the other.

    Nothing is kept of an explanation: it is no answer, and has no id by which a label could come.
    """
    waiting = asyncio.Semaphore(WAITING)

    async def handle(request: Request) -> Response:
        top = _top(request.query_params.get("top", str(TOP)))
        async with service.intake.asked(request, parsers) as asked:
            if (rows := rows_in(asked)) > (most := service.spec.serve.max_explained):
                raise Refused(413, "too many", f"{rows:,} records came, and {most:,} may be explained at once")
            if waiting.locked():
                raise Refused(503, "busy", f"{WAITING} explanations are under way; come again")
            served = service.live().main
            columns = served.contract.columns(asked)
            async with waiting:
                told = await process.explain(served, columns, top)
            if served.abstention is not None:
                told = await asyncio.to_thread(_held_back, served, columns, told)
        return JSONResponse({"model": service.spec.name, "version": served.version, "tolerance": TOLERANCE,
                             "explanations": told})  # fmt: skip

    return handle


def _held_back(
    served: Served, columns: Mapping[str, list[Any]], told: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Say with each explanation whether the prediction is held back, as the answer does; the sum stays."""
    doubts = served.doubts(columns, served.predict(columns)) or {}
    return [
        {**each, "prediction": None, "abstained": True, "reasons": [why.to_dict() for why in doubts[at]]}
        if at in doubts
        else {**each, "abstained": False}
        for at, each in enumerate(told)
    ]


def _pool() -> ProcessPoolExecutor:
    context = get_context("forkserver")  # what it imports once, a process that follows another has at once
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(1, context, _begin)


def _begin() -> None:
    """Begin the process that explains: it gives way to predictions, and Ctrl-C is for the service alone.

    It ends with a service that is killed, which tells it nothing.
    """
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent_process(),), name="end", daemon=True).start()


def _end_with(service: Any) -> None:
    service.join()
    os._exit(1)


def _explained(
    version: int, new: Explainer | None, columns: Mapping[str, Sequence[Any]], top: int
) -> list[dict[str, Any]]:
    if new is not None:
        _known.clear()
        _known[version] = new
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    return [each.to_dict(top) for each in _known[version].explain(frame)]


def _top(written: str) -> int:
    top = int(written[:9]) if written.isdecimal() else 0
    if top < 1:
        raise Refused(422, "bad top", f"top says how many contributions to show, such as {TOP}; {written[:80]!r} came")
    return top
