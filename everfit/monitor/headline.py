"""The first line that an operator reads: how the model is, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable

from everfit.monitor.decision import Action, Decision
from everfit.monitor.findings import Finding
from everfit.monitor.reasons import rank

DOES: dict[Action, str] = {
    "recalibrate": "the champion is weighed anew",
    "refit": "the champion learns again from newer rows",
    "search": "a search starts by itself",
}
NOUNS: dict[Action, str] = {"recalibrate": "recalibration", "refit": "refit", "search": "search"}


def headline(decision: Decision) -> str:
    """Say the verdict, and what follows from it or speaks for it, in one line."""
    verdict = decision.verdict.capitalize()
    if decision.action == "repair":
        return verdict
    return f"{verdict}: {DOES.get(decision.action) or _nothing_done(decision)}"


def against(decision: Decision) -> str:
    """Entitle the blockers by what they stand against: those of a search say nothing of a refit."""
    if decision.action == "repair":
        return "What stands against learning"
    if decision.withheld:
        return f"What holds the {NOUNS[decision.wanted]} back" if decision.wanted else "What holds it back"
    return f"What stands against a {NOUNS.get(decision.wanted or 'none', 'search')} now"


def in_short(decision: Decision) -> str:
    """Say verdict and action as a run's state and a terminal name them, such as `fine, refit of recent rows`."""
    if decision.action == "refit":
        does = f"refit of {' and '.join(decision.refit)} rows"
    elif decision.action in DOES:
        does = decision.action.replace("recalibrate", "recalibration")
    elif decision.action == "none" and (decision.verdict == "retrain" or decision.wanted not in (None, "none")):
        does = _nothing_done(decision)
    else:
        return decision.verdict
    return f"{decision.verdict}, {does}"


def _nothing_done(decision: Decision) -> str:
    if decision.wanted not in (None, "none"):
        return f"a {NOUNS[decision.wanted]} is held back"
    if decision.verdict == "retrain":
        return "held back" if decision.held else "refits are at work"
    if decision.verdict == "watch":
        return ", ".join(dict.fromkeys(finding.signal for finding in decision.findings if finding.speaks))
    return "nothing to do"


def by_urgency(findings: Iterable[Finding]) -> list[Finding]:
    """Return what asks for most first, and what could not judge before what is silent."""
    return sorted(findings, key=lambda finding: (-rank(finding.severity), finding.judged))
