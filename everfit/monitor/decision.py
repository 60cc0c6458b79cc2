"""What to do about a batch: a pure function of what was seen and of the model file's policy.

Moved inputs alone are watched, never learnt from by themselves: measured on streams, "many columns drifted, so
retrain" lost to a plain calendar. The cheapest action comes first: other weights, a refit of the same pipeline. A
search follows when the loss stays high in spite of refits, or when the champion is past its time while new labelled
rows are there. A broken feed is repaired, and blocks everything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from everfit.monitor import blockers, reasons
from everfit.monitor.diagnosis import Diagnosis, diagnose
from everfit.monitor.evidence import Action, Evidence
from everfit.monitor.findings import Finding, Severity
from everfit.record import Record
from everfit.spec import Monitor, Promotion, Refit, Retrain
from everfit.upkeep.advance import Plan, advance, not_done
from everfit.upkeep.state import State

__all__ = ["Action", "Decision", "Evidence", "Verdict", "decide", "decision_id"]

Verdict = Literal["fine", "watch", "retrain", "data fault: repair the feed"]

IN_VAIN = 3  # labelled batches in a row whose loss has risen, after which refits are known not to be enough
FEW = "too few new labels came to count as a batch: they wait for more"
LEARNING: tuple[Action, ...] = ("recalibrate", "refit", "search")
VERDICTS: dict[Severity, Verdict] = dict(zip(get_args(Severity), get_args(Verdict), strict=True))


@dataclass(frozen=True)
class Decision(Record):
    """A verdict with every reason and every blocker, also when it holds; `action` is what follows from it.

    The verdict says how the model is, the action what is done: a model that is fine may be due for a refit, of the
    windows `refit`, while those to `restore` go back to the model that their last refit replaced. Beside a search other
    windows may be due: they learn again `instead`, if its challenger loses. `wanted` is the action before blockers were
    asked; None in decisions of long ago. `upkeep` is the state that the next batch begins with, if the action takes
    place.
    """

    id: str
    verdict: Verdict
    action: Action
    reasons: tuple[str, ...]
    blockers: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    next_steps: tuple[str, ...] = ()
    refit: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    upkeep: State | None = None
    wanted: Action | None = None
    diagnosis: Diagnosis | None = None

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; before there were refits, every retraining was a search."""
        return super().from_dict({**plain, "action": "search"} if plain.get("action") == "retrain" else plain)

    @property
    def retrains(self) -> bool:
        """Whether a new version is wanted."""
        return self.action in LEARNING

    @property
    def held(self) -> bool:
        """Whether a risen loss or an old champion called for a new version, and nothing follows."""
        called = self.verdict == "retrain" and self.wanted != "none"
        return called and self.action == "none" and bool(self.blockers)

    @property
    def withheld(self) -> tuple[str, ...]:
        """What holds back the new version that is wanted, whether or not something cheaper is done."""
        return self.blockers if self.held or self.wanted in LEARNING else ()


def decision_id(model: str, batch: str, data_version: int, champion: int | None) -> str:
    """Return 16 hex digits that are the same whenever the same batch is judged for the same champion."""
    text = "\x1f".join((model, batch, str(data_version), str(champion)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def decide(
    evidence: Evidence,
    monitor: Monitor,
    retrain: Retrain,
    promotion: Promotion | None = None,
    refit: Refit | None = None,
) -> Decision:
    """Weigh one batch against the policy; never stop at the first reason or blocker."""
    promotion, refit = promotion or Promotion(), refit or Refit()
    stale = reasons.of_age(evidence, monitor, promotion)
    severity = _severity(evidence, stale)
    after, plan = _plan(evidence, refit)
    in_vain = evidence.risen and (after is None or not refit.auto or after.risen >= IN_VAIN)
    cheap = _cheapest(plan)
    wanted: Action = "repair" if evidence.faults else "search" if stale or in_vain else cheap
    against_all = tuple(blockers.of_all(evidence, retrain))
    against_search = tuple(blockers.of_searches(evidence, monitor, retrain))
    action = _allowed(wanted, cheap, against_all, against_search)
    decision = Decision(
        decision_id(evidence.model, evidence.batch, evidence.data_version, evidence.champion),
        VERDICTS[severity],
        action,
        _reasons(tuple(reasons.of_findings(evidence, stale)), _why(wanted, action, after, plan), action),
        _blockers(wanted, against_all, against_search),
        evidence.findings,
        refit=plan.refit if action == "refit" else (),
        instead=plan.refit if action == "search" else (),
        restore=plan.restore if action in ("refit", "recalibrate") else (),
        upkeep=_left(evidence.upkeep, after, action),
        wanted=wanted,
        diagnosis=diagnose(evidence, after),
    )
    return replace(decision, next_steps=tuple(_next_steps(evidence.model, decision, promotion)))


def _severity(evidence: Evidence, stale: str) -> Severity:
    asked: list[Severity] = ["retrain" if stale else "fine", *(finding.severity for finding in evidence.spoken)]
    return max(asked, key=reasons.rank)


def _plan(evidence: Evidence, refit: Refit) -> tuple[State | None, Plan]:
    """Return the state after the labels of this batch, and what is due: nothing without labels, or of broken rows.

    Labels of rows that never came in measure no window, but a loss that has risen on them counts as risen, unless
    they are too few to be a batch. Where too few labels say whether it has, the count of batches in which it has stays.
    """
    before = evidence.upkeep
    if before is None or evidence.measured is None or evidence.faults:
        counts = evidence.risen and not (evidence.faults or evidence.again or evidence.waits)
        why = (FEW,) if evidence.waits and evidence.risen else ()
        return (replace(before, risen=before.risen + 1) if before and counts else before), Plan((), False, why)
    after, plan = advance(before, evidence.measured, refit, risen=evidence.risen)
    judged = evidence.risen or evidence.performance is not None
    return (after if judged else replace(after, risen=before.risen)), plan


def _cheapest(plan: Plan) -> Action:
    return "refit" if plan.refit else "recalibrate" if plan.recalibrate else "none"


def _allowed(wanted: Action, cheap: Action, against_all: tuple[str, ...], against_search: tuple[str, ...]) -> Action:
    """Return what blockers leave: a search that is held back does not hold back what is cheaper and due as well."""
    if wanted == "repair":
        return "repair"
    if against_all:
        return "none"
    return cheap if wanted == "search" and against_search else wanted


def _blockers(wanted: Action, against_all: tuple[str, ...], against_search: tuple[str, ...]) -> tuple[str, ...]:
    """Return what stands against what is wanted; where nothing is, what would stand against a search."""
    broken = (blockers.BROKEN,) if wanted == "repair" else ()
    return (*broken, *against_all, *(() if wanted in ("refit", "recalibrate") else against_search))


def _left(before: State | None, after: State | None, action: Action) -> State | None:
    """Return the state that the next batch begins with; a search has the count of bad batches begin anew."""
    if before is None or after is None or action in ("refit", "recalibrate"):
        return after
    left = not_done(after, before)
    return replace(left, risen=0) if action == "search" else left


def _reasons(found: tuple[str, ...], why: tuple[str, ...], action: Action) -> tuple[str, ...]:
    """Begin with why a refit is due, which what was found does not say: a line of the history shows little more."""
    return (*why, *found) if action in ("refit", "recalibrate") else (*found, *why)


def _why(wanted: Action, action: Action, after: State | None, plan: Plan) -> tuple[str, ...]:
    """Return why refits are not enough, and why one is due or none is; a search makes that a question of its own."""
    counted = after.risen if after and wanted == "search" else 0
    in_vain = (f"refits were not enough: the loss has risen in {counted} labelled batches in a row",)
    return (*(in_vain if counted >= IN_VAIN else ()), *(() if action == "search" else plan.reasons))


def _next_steps(model: str, decision: Decision, promotion: Promotion) -> Iterator[str]:
    """Tell an operator what follows, and what may be done by hand."""
    if decision.action == "repair":
        yield "The batch is refused and kept in quarantine. Repair what feeds it: what comes anew is judged anew."
    elif decision.action == "recalibrate":
        yield "The champion's answers are moved by what recent labels say; its models stay."
    elif decision.action == "refit":
        yield "The champion learns again from newer rows by itself, as it is; a search follows if that does not help."
        if decision.wanted == "search":
            yield "A search is wanted too, and held back for now."
    elif decision.action == "search":
        instead = "; where it does not, the champion learns again as it is" if decision.instead else ""
        yield f"A search starts by itself; its challenger must prove itself before it takes over{instead}."
        if promotion.approval == "manual":
            yield "If it does, its promotion waits for a person: `everfit promote`."
    elif decision.wanted != "none":
        yield f"Nothing starts while a blocker stands. `everfit train {model}` retrains by hand."
    elif decision.verdict == "retrain":
        yield f"Refits are at work. A search starts when the loss stays high for {IN_VAIN} labelled batches in a row."
    elif decision.verdict == "watch":
        yield "Nothing to do now: moved inputs alone say little about the model. Labels will tell; look at the columns."
    else:
        yield "Nothing to do."
