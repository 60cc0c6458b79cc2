"""Serve a model until somebody ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from everfit.ledger import Ledger
from everfit.personal import Personal
from everfit.registry import require_champion
from everfit.serving.access import Lines
from everfit.serving.answering import Service
from everfit.serving.app import make_app
from everfit.serving.following import Follower
from everfit.serving.journal import Journal
from everfit.serving.metrics import Metrics
from everfit.serving.tokens import ensure_guarded, read_tokens
from everfit.settings import Settings
from everfit.spec import ModelSpec

HEADERS = 10.0  # seconds in which the head of a request must have come, from a connection's start or its first byte
SWITCH = 0.0005  # seconds after which a thread with a large request, or one that loads a model, lets the others go on


def service_of(spec: ModelSpec, settings: Settings) -> Service:
    """Return a model's service; raise InputError without a champion, or for tokens or keys that are none."""
    require_champion(Ledger.of(settings), spec.name)
    tokens = read_tokens(settings.serve_tokens.get_secret_value())
    journal = Journal(settings.folder("answers", spec.name))
    personal = Personal.of(spec, settings)
    return Service(spec, Follower(spec, settings), journal, Metrics(spec.name), tokens, personal)


class Impatient(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's protocol, which closes connections that never ask to the end; uvicorn itself waits for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take it, and begin to wait when it is a part of the next request's head."""
        super().data_received(data)
        if self.cycle is not None and self.cycle.response_complete:
            self._wait()

    def _wait(self) -> None:
        self.loop.call_later(HEADERS, self._give_up, self.cycle)

    def _give_up(self, last: Any) -> None:
        if self.cycle is last and not self.transport.is_closing():
            self.transport.close()


def run(spec: ModelSpec, settings: Settings, host: str, port: int) -> None:
    """Listen until SIGTERM or Ctrl-C, which is no error; requests under way are answered first.

    One line of JSON for each request goes to stdout, and what went wrong to stderr, as long as somebody reads them.
    """
    service = service_of(spec, settings)
    ensure_guarded(host, service.tokens, open_to_all=settings.serve_open)
    for sign in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it has ended
        signal.signal(sign, _end)
    sys.setswitchinterval(SWITCH)
    _log(service)
    uvicorn.run(make_app(service), host=host, port=port, log_config=None, log_level="warning", access_log=False,
                timeout_graceful_shutdown=30, http=Impatient)  # fmt: skip


def _log(service: Service) -> None:
    stdout = Lines(sys.stdout.fileno(), lambda: service.metrics.failed("stdout"))
    stderr = Lines(sys.stderr.fileno(), lambda: service.metrics.failed("stderr"))
    stderr.setLevel(logging.WARNING)
    logging.getLogger().addHandler(stderr)
    logging.captureWarnings(True)
    log = logging.getLogger("everfit.serving")
    log.addHandler(stdout)
    log.setLevel(logging.INFO)


def _end(_sign: int, _frame: FrameType | None) -> None:
    sys.exit(0)
