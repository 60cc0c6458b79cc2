"""An id for each request, and one line about it in the log: who asked, what for and what came of it, never a value."""

from __future__ import annotations

import json
import logging
import os
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import monotonic, perf_counter, sleep
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ID = "X-Request-ID"
FACTS = "everfit"  # the key of a request's scope under which handlers note facts for its line
PROPER = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
LONGEST = 200
MOST_LINES = 10_000  # that wait for somebody who reads them
WRITES = 0.05  # seconds between two writes of lines
PATIENCE = 1.0  # seconds in which the last lines are to be written
LOG = logging.getLogger("everfit.serving")


class Watched:
    """Around the whole application: also what no route answers has an id and a line, and also what fails."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and see what comes of it."""
        if scope["type"] == "http":
            await self._watch(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, given = perf_counter(), Headers(scope=scope).get(ID, "")
        facts: dict[str, Any] = {"id": given if PROPER.fullmatch(given) else uuid4().hex}
        scope[FACTS] = facts

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
                MutableHeaders(scope=message)[ID] = facts["id"]
            await send(message)

        try:
            await self.app(scope, receive, told)
        except Exception:
            if "status" not in facts:
                failed = {"error": "the service failed; its log says why, under this id", "id": facts["id"]}
                await JSONResponse(failed, 500)(scope, receive, told)
            raise
        finally:
            LOG.info("%s", line_of(scope, facts, 1000 * (perf_counter() - began)))


def line_of(scope: Scope, facts: dict[str, Any], took: float) -> str:
    """Return a line of JSON: id, method, path, status and milliseconds, and what the handler noted."""
    said = {"method": scope["method"], "path": scope["path"][:LONGEST], "ms": round(took, 2), **facts}
    return json.dumps(said)


class Lines(logging.Handler):
    """Writes lines to a file in a thread of its own: whoever does not read them keeps no request waiting.

    Those that are too many are dropped, each of which is told.
    """

    def __init__(self, file: int, dropped: Callable[[], None]) -> None:
        super().__init__()
        self._file, self._dropped = file, dropped
        self._lines: deque[bytes] = deque()
        Thread(target=self._write, name="lines", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Let a line wait until it is written, or drop it."""
        if len(self._lines) < MOST_LINES:
            self._lines.append(f"{self.format(record)}\n".encode())
        else:
            self._dropped()

    def flush(self) -> None:
        """Wait a moment for what is still to be written; logging does so at the end."""
        until = monotonic() + PATIENCE
        while self._lines and monotonic() < until:
            sleep(WRITES / 5)

    def _write(self) -> None:
        while True:
            sleep(WRITES)
            while self._lines:
                rest = memoryview(self._lines[0])
                with suppress(OSError):  # nobody reads any more
                    while rest:
                        rest = rest[os.write(self._file, rest) :]
                self._lines.popleft()
