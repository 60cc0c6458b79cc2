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


def headline(decision: Decision) -> str:
    """Say the verdict, and what follows from it or speaks for it, in one line."""
    verdict = decision.verdict.capitalize()
    if decision.action == "repair":
        return verdict
    return f"{verdict}: {DOES.get(decision.action) or _nothing_done(decision)}"


def _nothing_done(decision: Decision) -> str:
    if decision.wanted not in (None, "none"):
        return f"a {decision.wanted} is held back".replace("recalibrate", "recalibration")
    if decision.verdict == "retrain":
        return "held back" if decision.held else "refits are at work"
    if decision.verdict == "watch":
        return ", ".join(dict.fromkeys(finding.signal for finding in decision.findings if finding.speaks))
    return "nothing to do"


def by_urgency(findings: Iterable[Finding]) -> list[Finding]:
    """Return what asks for most first, and what could not judge before what is silent."""
    return sorted(findings, key=lambda finding: (-rank(finding.severity), finding.judged))
