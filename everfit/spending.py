"""What the searches of a model have cost in a calendar month (UTC), and what is left of what they may cost.

A search costs the CPU time that its processes used, also where it failed: on a machine that is busy with others it is
not charged for waiting. One that was killed tells nobody, and counts as all that it was allowed. The price is that of
the day on which it ran.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf

from everfit.errors import InputError, MonthSpent
from everfit.ledger import Entry, Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec, Spending

HOUR = 3600.0
LEAST = 5.0  # seconds of wall time, in which no search finds a model that is worth it


@dataclass(frozen=True)
class Month:
    """What the searches of one model have cost since the month began, in seconds of one core, also by family."""

    begins: datetime
    seconds: float = 0.0
    money: float = 0.0
    families: dict[str, float] = field(default_factory=dict)

    def told(self, most: Spending, currency: str) -> str:
        """Say it in one line, with the limits that there are.

        >>> Month(datetime(2026, 11, 1), 4500, 0.06).told(Spending(cpu_hours_per_month=20), "EUR")
        'November 2026: 1.25 of 20 CPU-hours, 0.06 EUR'
        """
        hours = f"{self.seconds / HOUR:.2f}{_of(most.cpu_hours_per_month)} CPU-hours"
        money = f"{self.money:.2f}{_of(most.money_per_month)} {currency}".strip()
        parts = [hours, *([money] if self.money or most.money_per_month else [])]
        return f"{self.begins:%B %Y}: {', '.join(parts)}"


def month(ledger: Ledger, model: str, now: datetime) -> Month:
    """Add up what the ledger knows of the month in which a moment lies, up to then."""
    begins = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    entries = ledger.entries(model, kinds=["search_started", "searched"], since=begins, at=now)
    seconds, money, families = 0.0, 0.0, dict[str, float]()
    for entry in _last_words(entries):
        seconds += entry.facts["cpu_seconds"]
        money += entry.facts["cpu_seconds"] / HOUR * entry.facts["price"]
        for family, took in entry.facts.get("families", {}).items():
            families[family] = families.get(family, 0.0) + took
    return Month(begins, seconds, money, families)


def _last_words(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Return one row of each search: how it ended, or what it was allowed."""
    return {entry.facts["search"]: entry for entry in entries}.values()


def left(spec: ModelSpec, settings: Settings, spent: Month) -> float:
    """Return the seconds of one core that are left; infinite without a limit. Raise InputError without a price."""
    most = spec.spending
    seconds = inf if most.cpu_hours_per_month is None else most.cpu_hours_per_month * HOUR - spent.seconds
    if most.money_per_month is None:
        return seconds
    if not settings.cpu_hour_price:
        raise InputError(
            f"{spec.name}: spending.money_per_month is {most.money_per_month:g}, and a CPU-hour has no price.",
            do="Set EVERFIT_CPU_HOUR_PRICE, in the environment or in .env.",
        )
    return min(seconds, (most.money_per_month - spent.money) / settings.cpu_hour_price * HOUR)


def allowed(spec: ModelSpec, settings: Settings, ledger: Ledger, cores: int, now: datetime) -> float:
    """Return the seconds that a search on so many cores may take; raise MonthSpent when that is too little for one."""
    spent, wanted = month(ledger, spec.name, now), spec.search.budget.total_seconds()
    seconds = min(wanted, left(spec, settings, spent) / cores)
    if seconds < min(LEAST, wanted):
        raise MonthSpent(
            f"{spec.name}: what its searches may cost in a month is spent. "
            f"{spent.told(spec.spending, settings.currency)}.",
            why="Nothing was searched. A retraining that is wanted stays wanted, and starts when the next month does.",
            do="Wait for it, or raise what spending in the model file says, and train again.",
        )
    return seconds


def _of(most: float | None) -> str:
    return "" if most is None else f" of {most:g}"
