"""Has nothing come for longer than usual? A feed that stands still leaves a champion unwatched without a word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from scipy import optimize, special

from everfit.monitor.findings import Finding, finite
from everfit.monitor.view import View

SIGNAL = "staleness"
FEWEST = 5  # intervals, from which anything is usual
TOGETHER = timedelta(hours=1)  # what came within it came at once, such as the files of one run


def judge(view: View) -> Finding:
    """Ask to watch when a batch, or its absence, is later than the intervals between those before explain."""
    return late(view.arrivals, view.now, view.policy.significance, every=view.policy.every)


def late(
    arrivals: Sequence[datetime], now: datetime, level: float, *, every: timedelta | None = None, signal: str = SIGNAL
) -> Finding:
    """Compare the time since the last arrival with those between all of them; `every` is how often anybody looks.

    How much longer than the longest is too long follows from the level, as if batches came at random moments
    (exponential intervals): one that comes by the clock is waited for longer than it would need.
    """
    together = max(TOGETHER, every or TOGETHER)
    gaps = _intervals(arrivals, together)
    if len(gaps) < FEWEST:
        return Finding.cannot_judge(
            signal, f"{len(gaps)} intervals are known, {FEWEST} are needed to say what is usual"
        )
    since, longest = now - max(arrivals), max(gaps)
    patience = longest * _times(len(gaps), level) + together
    text = (
        f"the last came {spoken(since)} ago; usually it takes {spoken(sorted(gaps)[len(gaps) // 2])}, at most it took "
        f"{spoken(longest)}, and {spoken(patience)} is too long"
    )
    return Finding(signal, text, severity="watch" if since > patience else "fine", effect=finite(since / longest))


def spoken(time: timedelta) -> str:
    """Return a time as people say it: `40 minutes`, `7 hours`, `3.5 days`."""
    hours = time.total_seconds() / 3600
    if hours < 2:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _intervals(arrivals: Sequence[datetime], together: timedelta) -> list[timedelta]:
    """Return the times between arrivals, of which those within `together` of the one before are one with it."""
    gaps = [after - before for before, after in pairwise(sorted(arrivals))]
    return [gap for gap in gaps if gap > together]


def _times(intervals: int, level: float) -> float:
    """Return by how much an exponential interval exceeds the longest of so many only with this probability.

    The interval is longer than c times the longest of n with probability c B(c, n + 1), which c = 1 makes 1 / (n + 1).
    """

    def excess(times: float) -> float:
        return float(times * special.beta(times, intervals + 1)) - level

    return float(optimize.brentq(excess, 1.0, 1e3)) if excess(1.0) > 0 else 1.0
