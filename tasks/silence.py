"""When rows came and when a model was watched: leave word of it, and say so where that has ended."""

import logging
from datetime import UTC, datetime

from everfit.ledger import Ledger
from everfit.monitor import silence, staleness
from everfit.monitor.findings import Finding
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say

ARRIVALS = 100  # batches, from which the usual time between them is learnt


def arrivals(spec: ModelSpec) -> tuple[datetime, ...]:
    """Return when the last batches came."""
    came = Ledger.of(Settings()).entries(spec.name, kinds=["ingested"], limit=ARRIVALS)
    return tuple(entry.at for entry in came)


def stale(spec: ModelSpec) -> Finding:
    """Judge whether nothing has come for longer than usual."""
    policy = spec.monitor
    return staleness.late(arrivals(spec), datetime.now(UTC), policy.significance, every=policy.every)


def leave_word(spec: ModelSpec, batches: int) -> None:
    """Record a run of the monitor, also one that found nothing new: without it, it would be taken for dead."""
    settings = Settings()
    Ledger.of(settings).record("monitored", spec.name, actor=settings.actor, facts={"batches": batches})


def listen(spec: ModelSpec) -> None:
    """Warn when the model was not watched for too long; a monitor that is dead cannot say it itself."""
    found = silence.of(Ledger.of(Settings()), spec)
    if found.speaks:
        say(found.text, level=logging.WARNING)
