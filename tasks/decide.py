"""Decide what follows from what was seen, once, and write it down before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.monitor import rendering
from everfit.monitor.decision import Decision
from everfit.monitor.decision import decide as weigh
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.artifacts import publish_report
from tasks.steps import say, step
from tasks.validate import Checked
from tasks.watch import Seen


@dataclass(frozen=True)
class Watched:
    """A batch and what was decided about it."""

    batch: str
    decision: Decision
    page: str

    def verdict_on(self, checked: Checked) -> Checked:
        """Return the batch as it is to land: refused when the decision says that it is broken."""
        broken = self.decision.action == "repair"
        return replace(checked, refused=self.decision.reasons) if broken else checked


@step
def decide(spec: ModelSpec, seen: Seen) -> Watched:
    """Weigh the evidence, write evidence and decision to the ledger, and ask for a retraining if one is due."""
    settings = Settings()
    ledger, evidence = Ledger.of(settings), seen.evidence
    decision = weigh(evidence, spec.monitor, spec.retrain, spec.promotion)
    path = settings.reports(spec.name) / f"drift-{evidence.batch[:12]}.html"
    page = rendering.page(path, evidence, decision, seen.moved, evidently=seen.evidently)
    reason = "; ".join(decision.reasons)
    facts = {
        "verdict": decision.verdict,
        "evidence": evidence.to_dict(),
        "decision": decision.to_dict(),
        "page": str(page),
    }
    entry, _ = ledger.once("drift_judged", spec.name, decision.id, actor=settings.actor, reason=reason, facts=facts)
    decision = Decision.from_dict(entry.facts["decision"])
    if decision.action == "retrain":
        ledger.once("retrain_wanted", spec.name, decision.id, actor=settings.actor, reason=reason)
    publish_report(
        spec.name,
        "drift-verdict",
        f"{spec.name}: {decision.verdict}",
        rendering.markdown(evidence, decision, seen.moved),
        page,
    )
    say(f"{decision.verdict}: {reason}")
    return Watched(evidence.batch, decision, str(page))


def recall(spec: ModelSpec, batch: Batch) -> Watched | None:
    """Return what was decided about a batch for the present champion, once it has landed; None if more is to do."""
    settings = Settings()
    ledger = Ledger.of(settings)
    if not Lake(settings).known(spec.name, batch.digest):
        return None
    for entry in reversed(ledger.entries(spec.name, kinds=["drift_judged"])):
        evidence = entry.facts["evidence"]
        if evidence["batch"] == batch.digest and evidence["champion"] == ledger.champion(spec.name):
            return Watched(batch.digest, Decision.from_dict(entry.facts["decision"]), entry.facts["page"])
    return None


def summary(
    spec: ModelSpec, watched: Sequence[Watched], started: Sequence[dict[str, Any]], seconds: dict[str, float]
) -> dict[str, Any]:
    """Return what a monitor run found, the gravest batch first in line, ready for JSON."""
    shared = {"model": spec.name, "batches": [one.batch for one in watched], "seconds": seconds}
    retraining = next(iter(started), None)
    if not watched:
        nothing = {"verdict": "fine", "reasons": ["the source holds nothing new"], "blockers": [], "findings": []}
        return {**shared, **nothing, "action": "none", "decision": "", "report": "", "retraining": retraining}
    gravest = max(watched, key=lambda one: ("none", "retrain", "repair").index(one.decision.action))
    decision = gravest.decision
    return {
        **shared,
        "verdict": decision.verdict,
        "reasons": list(decision.reasons),
        "blockers": list(decision.blockers),
        "findings": [finding.to_dict() for finding in decision.findings],
        "action": decision.action,
        "next_steps": list(decision.next_steps),
        "decision": decision.id,
        "report": gravest.page,
        "retraining": retraining,
    }
