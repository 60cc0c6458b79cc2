"""Hold a search to what the month has left, and write down what it took."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from everfit import search as engine
from everfit import spending
from everfit.errors import MonthSpent, first_line
from everfit.ledger import Ledger
from everfit.search import Searched
from everfit.settings import Settings
from everfit.spec import ModelSpec, write_duration
from tasks.claim import run_key


@dataclass
class Bill:
    """What one search may take, in seconds of wall time on so many cores, and has taken."""

    seconds: float
    cores: int
    cut: str = ""
    found: Searched | None = None

    def settle(self, found: Searched) -> Searched:
        """Take note of what a search took; return what it found, with a note where it was given less time."""
        self.found = found
        return replace(found, note="; ".join(filter(None, [found.note, self.cut])))

    def took(self, whole: float) -> dict[str, Any]:
        """Return the facts for the ledger: CPU-seconds, those of each family's trials and the rest.

        Trials are timed by the clock: those that had to wait for others share what was used.
        """
        own = self.found.own if self.found else {}
        share = min(1.0, whole / max(sum(own.values()), 1e-9))
        families = {name: round(seconds * share, 1) for name, seconds in own.items()}
        rest = round(max(0.0, whole - sum(families.values())), 1)
        return {"cpu_seconds": round(whole, 1), "families": families, "rest": rest}


@contextmanager
def charged(spec: ModelSpec) -> Iterator[Bill]:
    """Give a search what the month has left, and record what it took, however it ends.

    Raise MonthSpent when that is too little. A search of a model that has limits is written down as it starts, too, so
    that one that is killed has cost all that it was allowed.
    """
    settings, began = Settings(), engine.cpu_seconds()
    ledger, bill = Ledger.of(settings), _bill(spec, settings)
    known = {"search": uuid4().hex, "training": run_key(), "price": settings.cpu_hour_price}
    if spec.spending.limited:
        facts = known | {"cpu_seconds": round(bill.seconds * bill.cores, 1)}
        ledger.record("search_started", spec.name, actor=settings.actor, reason=bill.cut, facts=facts)
    try:
        yield bill
    finally:
        took = bill.took(max(0.0, engine.cpu_seconds() - began))
        ledger.record("searched", spec.name, actor=settings.actor, facts=known | took)


def check_month(spec: ModelSpec) -> None:
    """Raise MonthSpent when the month has too little left for a search."""
    _bill(spec, Settings())


def month_spent(spec: ModelSpec) -> str:
    """Say so when the month has too little left for a search; empty when it has enough."""
    try:
        check_month(spec)
    except MonthSpent as spent:
        return first_line(spent)
    return ""


def _bill(spec: ModelSpec, settings: Settings) -> Bill:
    cores = len(os.sched_getaffinity(0))
    seconds = spending.allowed(spec, settings, Ledger.of(settings), cores, datetime.now(UTC))
    wanted = spec.search.budget
    cut = f"{seconds:.0f} s instead of {write_duration(wanted)}, which is what the month has left for searches"
    return Bill(seconds, cores, cut if seconds < wanted.total_seconds() else "")
