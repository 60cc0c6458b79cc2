"""Why the champion answers as it does: contributions of raw fields, computed beside predictions, never before them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from everfit.explanation.explainer import TOLERANCE
from everfit.serving.answering import Refused, Service, body_of, records_of
from everfit.serving.served import Served

TOP = 10
WAITING = 4  # explanations under way; more would take the places of predictions


def explain(service: Service) -> Callable[[Request], Awaitable[Response]]:
    """Explain one record, or a list of them, one request after the other, in a thread of its own.

    Nothing is kept of an explanation: it is no answer, and has no id by which a label could come.
    """
    turn, waiting = asyncio.Semaphore(1), asyncio.Semaphore(WAITING)

    async def handle(request: Request) -> Response:
        top = _top(request.query_params.get("top", str(TOP)))
        records = records_of(await body_of(request, service.spec.serve), service.spec.serve)
        if len(records) > (most := service.spec.serve.max_explained):
            raise Refused(413, "too many", f"{len(records):,} records came, and {most:,} may be explained at once")
        if waiting.locked():
            raise Refused(503, "busy", f"{WAITING} explanations are under way; come again")
        served = service.champion()
        columns = served.contract.columns(records)
        async with waiting, turn:
            told = await asyncio.to_thread(explained, served, columns, top)
        return JSONResponse({"model": service.spec.name, "version": served.version, "tolerance": TOLERANCE,
                             "explanations": told})  # fmt: skip

    return handle


def explained(served: Served, columns: Mapping[str, Sequence[Any]], top: int) -> list[dict[str, Any]]:
    """Return the explanation of each record, with the largest contributions one by one."""
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    return [each.to_dict(top) for each in served.explainer.explain(frame)]


def _top(written: str) -> int:
    top = int(written[:9]) if written.isdecimal() else 0
    if top < 1:
        raise Refused(422, "bad top", f"top says how many contributions to show, such as {TOP}; {written[:80]!r} came")
    return top
