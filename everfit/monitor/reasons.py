"""Why one action and not another, in words: what speaks, the gravest first, and what the policy says to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from everfit.monitor.evidence import Evidence
from everfit.monitor.findings import Finding, Severity
from everfit.monitor.performance import SIGNAL
from everfit.spec import Monitor, Promotion, write_duration

NEW_SHARE = 0.1


def of_findings(evidence: Evidence, stale: str) -> Iterator[str]:
    """Give all that speaks; or say that nothing does, and what could not be judged."""
    for finding in sorted(evidence.spoken, key=_urgency, reverse=True):
        yield finding.text
    if stale:
        yield stale
    elif not evidence.spoken:
        yield _quiet(evidence)


def of_age(evidence: Evidence, monitor: Monitor, promotion: Promotion) -> str:
    """Say that the champion is past its time, if there are labelled rows that would make another one.

    A search that has ended since, and left it where it is, is a reason to trust it for as long again: one at every
    batch would take the place of the refits that are due.
    """
    if evidence.champion_since is None:
        return ""
    age = evidence.now - max([evidence.champion_since, *evidence.retrained])
    needed = max(monitor.min_rows, round(NEW_SHARE * evidence.learnt))
    if age < promotion.stale_after or evidence.new_rows < needed:
        return ""
    what = f"the last search ended {age.days} days ago"
    if age == evidence.now - evidence.champion_since:
        what = f"the champion is {age.days} days old"
    return (
        f"{what}, {write_duration(promotion.stale_after)} is its time, "
        f"and {evidence.new_rows:,} new labelled rows are there"
    )


def rank(severity: Severity) -> int:
    """Return how grave it is."""
    return get_args(Severity).index(severity)


def _urgency(finding: Finding) -> int:
    return rank(finding.severity)


def _quiet(evidence: Evidence) -> str:
    """Say that nothing speaks, and name what could not be judged; why not, of the one question that matters most."""
    open_ = [finding for finding in evidence.findings if not finding.judged]
    told = ", ".join(f"{each.signal} ({each.text})" if each.signal == SIGNAL else each.signal for each in open_)
    return f"nothing speaks; could not be judged: {told}" if told else "nothing speaks"
