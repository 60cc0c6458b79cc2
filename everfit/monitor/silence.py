"""Does anybody still watch the model? A monitor that is dead cannot say so: whoever else comes by has to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from everfit.ledger import Ledger
from everfit.monitor import staleness
from everfit.monitor.findings import Finding, finite
from everfit.spec import ModelSpec, write_duration

SIGNAL = "monitor"
MISSED = 3  # runs of a schedule: one may be late and one may fail
REMEMBERED = 60  # runs, from which what is usual is learnt


def of(ledger: Ledger, spec: ModelSpec, now: datetime | None = None) -> Finding:
    """Judge by the ledger when the champion was watched last; every run of the monitor leaves an entry there."""
    promoted = [entry.at for entry in ledger.swaps(spec.name)]
    runs = ledger.entries(spec.name, kinds=["monitored"], limit=REMEMBERED)
    return judge([entry.at for entry in runs], now or datetime.now(UTC), spec.monitor.every, promoted[-1:])


def judge(
    runs: Sequence[datetime], now: datetime, every: timedelta | None, promoted: Sequence[datetime] = ()
) -> Finding:
    """Ask to watch when the last run is older than three intervals of the schedule, or than what was usual without one.

    A champion that nobody ever watched waits since it was `promoted`.
    """
    if every is None:
        return staleness.late(runs, now, 0.01, signal=SIGNAL)
    if not (known := [*promoted, *runs]):
        return Finding.cannot_judge(SIGNAL, "there is no champion to watch yet")
    since, due = now - max(known), f"monitor.every says {write_duration(every)}"
    if since <= MISSED * every:
        return Finding(SIGNAL, f"watched {staleness.spoken(since)} ago; {due}", effect=finite(since / every))
    text = f"nothing was watched for {staleness.spoken(since)}, and {due}: is `everfit up`, or the worker, still there?"
    return Finding(SIGNAL, text, severity="watch", effect=finite(since / every))
