"""Serve a model until somebody ends it."""

from __future__ import annotations

import sys

import uvicorn

from everfit.ledger import Ledger
from everfit.personal import Personal
from everfit.registry import require_champion
from everfit.serving.answering import Service
from everfit.serving.app import make_app
from everfit.serving.following import Follower
from everfit.serving.journal import Journal
from everfit.serving.metrics import Metrics
from everfit.serving.tokens import read_tokens
from everfit.settings import Settings
from everfit.spec import ModelSpec

SWITCH = 0.0005  # seconds after which a busy thread lets another one run; Python's 0.005 is a whole prediction's p99


def service_of(spec: ModelSpec, settings: Settings) -> Service:
    """Return a model's service; raise InputError without a champion, or for tokens or keys that are none."""
    require_champion(Ledger.of(settings), spec.name)
    tokens = read_tokens(settings.serve_tokens.get_secret_value())
    journal = Journal(settings.folder("answers", spec.name))
    personal = Personal.of(spec, settings)
    return Service(spec, Follower(spec, settings), journal, Metrics(spec.name), tokens, personal)


def run(spec: ModelSpec, settings: Settings, host: str, port: int) -> None:
    """Listen until SIGTERM or Ctrl-C; requests under way are answered first."""
    sys.setswitchinterval(SWITCH)  # explanations, large requests and the loading of a version run beside small requests
    app = make_app(service_of(spec, settings))
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=30)
