"""What to do about a batch: a pure function of what was seen and of the model file's policy.

Moved inputs alone are watched, never learnt from by themselves: measured on streams, "many columns drifted, so
retrain" lost to a plain calendar. What retrains is a loss that rose on labelled rows, or a champion that is past
its time while new labelled rows are there. A broken feed is repaired, and blocks everything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

from everfit.monitor.findings import Finding, Severity
from everfit.record import Record
from everfit.spec import Monitor, Promotion, Refit, Retrain, write_duration
from everfit.upkeep.advance import Plan, advance, not_done
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import State

Verdict = Literal["fine", "watch", "retrain", "data fault: repair the feed"]
Action = Literal["none", "recalibrate", "refit", "search", "repair"]

WEEK = timedelta(days=7)
NEW_SHARE = 0.1
IN_VAIN = 3  # labelled batches in a row whose loss has risen, after which refits are known not to be enough
VERDICTS: dict[Severity, Verdict] = dict(zip(get_args(Severity), get_args(Verdict), strict=True))


@dataclass(frozen=True)
class Evidence(Record):
    """Everything that a decision rests on; kept in the ledger, so that the decision can be made again.

    `now` is the clock. `retrained` are the times at which retrainings by drift ended, well or not, `learnt` the rows
    that the champion was trained on, `new_rows` the labelled rows that landed since. `waiting` is a challenger that
    waits for approval, `running` a retraining that is wanted or under way. What it says of retrainings is as the
    ledger had it with its row `as_of`. `upkeep` is the state that the last decision about this champion left, and
    `measured` what new labels say of its windows. `spent` says that the month has nothing left for a search.
    """

    model: str
    batch: str
    data_version: int
    now: datetime
    rows: int
    champion: int | None = None
    champion_since: datetime | None = None
    learnt: int = 0
    new_rows: int = 0
    labels: int = 0
    target_present: bool = True
    retrained: tuple[datetime, ...] = ()
    running: str = ""
    waiting: int | None = None
    as_of: int = 0
    findings: tuple[Finding, ...] = ()
    upkeep: State | None = None
    measured: Measured | None = None
    spent: str = ""

    @property
    def faults(self) -> tuple[str, ...]:
        """What says that the batch is broken, whatever else is said of it."""
        return tuple(finding.text for finding in self.findings if finding.speaks and finding.severity == "repair")


@dataclass(frozen=True)
class Decision(Record):
    """A verdict with every reason and every blocker, also when it holds; `action` is what follows from it.

    The verdict says how the model is, the action what is done: a model that is fine may be due for a refit, of the
    windows `refit`. `upkeep` is the state that the next batch begins with, if the action takes place.
    """

    id: str
    verdict: Verdict
    action: Action
    reasons: tuple[str, ...]
    blockers: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    next_steps: tuple[str, ...] = ()
    refit: tuple[str, ...] = ()
    upkeep: State | None = None

    @property
    def retrains(self) -> bool:
        """Whether a new version is wanted."""
        return self.action in ("recalibrate", "refit", "search")

    @property
    def held(self) -> bool:
        """Whether a retraining was called for and did not follow."""
        return self.verdict == "retrain" and self.action == "none" and bool(self.blockers)


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
    spoken = [finding for finding in evidence.findings if finding.speaks]
    reasons = [finding.text for finding in sorted(spoken, key=_urgency, reverse=True)]
    asked: list[Severity] = ["fine", *(finding.severity for finding in spoken)]
    stale = _stale(evidence, monitor, promotion or Promotion())
    if stale:
        reasons.append(stale)
        asked.append("retrain")
    severity = max(asked, key=_rank)
    after, plan = _upkeep(evidence, refit or Refit(), risen="retrain" in (finding.severity for finding in spoken))
    wanted = _wanted(severity, after, plan, stale=bool(stale))
    blockers = _blockers(evidence, monitor, retrain, wanted)
    action = wanted if not blockers or wanted == "repair" else "none"
    if wanted == "search" and blockers and not _against_all(evidence, retrain):
        action = _cheaper(plan)
    if action != "search":
        reasons += plan.reasons
    return Decision(
        decision_id(evidence.model, evidence.batch, evidence.data_version, evidence.champion),
        VERDICTS[severity],
        action,
        tuple(reasons) or (_quiet(evidence),),
        blockers,
        evidence.findings,
        tuple(_next_steps(evidence, severity, action, promotion or Promotion(), held=bool(blockers))),
        refit=plan.refit if action == "refit" else (),
        upkeep=_left(evidence.upkeep, after, action),
    )


def _upkeep(evidence: Evidence, refit: Refit, *, risen: bool) -> tuple[State | None, Plan]:
    """Return the state after the labels of this batch, and what is due; nothing is, where nothing new is labelled."""
    if evidence.upkeep is None or evidence.measured is None:
        return evidence.upkeep, Plan((), False, ())
    return advance(evidence.upkeep, evidence.measured, refit, risen=risen)


def _wanted(severity: Severity, after: State | None, plan: Plan, *, stale: bool) -> Action:
    """Return the cheapest action that may help: a search only where refits are known not to."""
    if severity == "repair":
        return "repair"
    in_vain = after is None or after.risen >= IN_VAIN or not plan.refits
    if stale or (severity == "retrain" and in_vain):
        return "search"
    return _cheaper(plan)


def _cheaper(plan: Plan) -> Action:
    return "refit" if plan.refit else "recalibrate" if plan.recalibrate else "none"


def _left(before: State | None, after: State | None, action: Action) -> State | None:
    """Return the state that the next batch begins with; a search has the count of bad batches begin anew."""
    if before is None or after is None or action in ("refit", "recalibrate"):
        return after
    left = not_done(after, before)
    return replace(left, risen=0) if action == "search" else left


def _rank(severity: Severity) -> int:
    return get_args(Severity).index(severity)


def _urgency(finding: Finding) -> int:
    return _rank(finding.severity)


def _quiet(evidence: Evidence) -> str:
    open_questions = [f"{finding.signal} ({finding.text})" for finding in evidence.findings if not finding.judged]
    return f"nothing speaks; could not be judged: {', '.join(open_questions)}" if open_questions else "nothing speaks"


def _stale(evidence: Evidence, monitor: Monitor, promotion: Promotion) -> str:
    """Say that the champion is past its time, if there are labelled rows that would make another one."""
    if evidence.champion_since is None:
        return ""
    age = evidence.now - evidence.champion_since
    needed = max(monitor.min_rows, round(NEW_SHARE * evidence.learnt))
    if age < promotion.stale_after or evidence.new_rows < needed:
        return ""
    return (
        f"the champion is {age.days} days old, {write_duration(promotion.stale_after)} is its time, "
        f"and {evidence.new_rows:,} new labelled rows are there"
    )


def _blockers(evidence: Evidence, monitor: Monitor, retrain: Retrain, wanted: Action) -> tuple[str, ...]:
    """Return everything that stands against what is wanted; where nothing is, what would stand against a search."""
    faulty = ("the data are broken: repair the feed, do not learn from it",) if wanted == "repair" else ()
    search = () if wanted in ("refit", "recalibrate") else tuple(_against_search(evidence, monitor, retrain))
    return (*faulty, *_against_all(evidence, retrain), *search)


def _against_all(evidence: Evidence, retrain: Retrain) -> tuple[str, ...]:
    return tuple(_nothing_may_start(evidence, retrain))


def _nothing_may_start(evidence: Evidence, retrain: Retrain) -> Iterator[str]:
    if evidence.champion is None:
        yield "there is no champion yet: `everfit train` makes the first one"
    if not retrain.auto:
        yield "retrain.auto is false: nothing starts by itself"
    if evidence.running:
        yield f"a retraining is already wanted or running: {evidence.running}"
    if evidence.waiting is not None:
        yield f"version {evidence.waiting} waits for approval: promote or refuse it first"


def _against_search(evidence: Evidence, monitor: Monitor, retrain: Retrain) -> Iterator[str]:
    if evidence.labels < monitor.min_labels:
        missing = "" if evidence.target_present else "; the batch itself has no target column"
        yield f"{evidence.labels:,} labelled rows since the champion was made, {monitor.min_labels:,} needed{missing}"
    if evidence.spent:
        yield evidence.spent
    yield from _pauses(evidence, retrain)


def _pauses(evidence: Evidence, retrain: Retrain) -> Iterator[str]:
    past = [at for at in evidence.retrained if at <= evidence.now]
    if past and (since := evidence.now - max(past)) < retrain.cooldown:
        until = max(past) + retrain.cooldown
        ago = f"{since.total_seconds() / 3600:.1f} h ago"
        pause = write_duration(retrain.cooldown)
        yield f"the last retraining was {ago}: cooldown of {pause} until {until:%Y-%m-%d %H:%M}"
    recent = sum(at > evidence.now - WEEK for at in past)
    if recent >= retrain.max_per_week:
        yield f"{recent} retrainings in the last seven days, at most {retrain.max_per_week} are allowed"


def _next_steps(
    evidence: Evidence, severity: Severity, action: Action, promotion: Promotion, *, held: bool
) -> Iterator[str]:
    """Tell an operator what follows, and what may be done by hand."""
    if action == "repair":
        yield "The batch is refused and kept in quarantine. Repair the feed and send the batch again."
    elif action == "recalibrate":
        yield "The champion's answers are moved by what recent labels say; its models stay."
    elif action == "refit":
        yield "The champion learns again from newer rows by itself, as it is; a search follows if that does not help."
    elif action == "search":
        yield "A search starts by itself; its challenger must prove itself before it takes over."
        if promotion.approval == "manual":
            yield "Its promotion waits for a person: `everfit promote`."
    elif severity == "retrain" and held:
        yield f"Nothing starts while a blocker stands. `everfit train {evidence.model}` retrains by hand."
    elif severity == "retrain":
        yield f"Refits are at work. A search starts when the loss stays high for {IN_VAIN} labelled batches in a row."
    elif severity == "watch":
        yield "Nothing to do now: moved inputs alone say little about the model. Labels will tell; look at the columns."
    else:
        yield "Nothing to do."
