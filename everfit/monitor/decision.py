"""What to do about a batch: a pure function of what was seen and of the model file's policy.

Moved inputs alone are watched, never learnt from by themselves: measured on streams, "many columns drifted, so
retrain" lost to a plain calendar. What retrains is a loss that rose on labelled rows, or a champion that is past
its time while new labelled rows are there. A broken feed is repaired, and blocks everything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from everfit.monitor.findings import Finding, Record, Severity
from everfit.spec import Monitor, Promotion, Retrain, write_duration

Verdict = Literal["fine", "watch", "retrain", "data fault: repair the feed"]
Action = Literal["none", "retrain", "repair"]

WEEK = timedelta(days=7)
NEW_SHARE = 0.1
VERDICTS: dict[Severity, Verdict] = dict(zip(get_args(Severity), get_args(Verdict), strict=True))


@dataclass(frozen=True)
class Evidence(Record):
    """Everything that a decision rests on; kept in the ledger, so that the decision can be made again.

    `now` is the clock. `retrained` are the times at which retrainings by drift ended, well or not, `learnt` the rows
    that the champion was trained on, `new_rows` the labelled rows that landed since. `waiting` is a challenger that
    waits for approval, `running` a retraining that is wanted or under way. What it says of retrainings is as the
    ledger had it with its row `as_of`.
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

    @property
    def faults(self) -> tuple[str, ...]:
        """What says that the batch is broken, whatever else is said of it."""
        return tuple(finding.text for finding in self.findings if finding.speaks and finding.severity == "repair")


@dataclass(frozen=True)
class Decision(Record):
    """A verdict with every reason and every blocker, also when it holds; `action` is what follows from it."""

    id: str
    verdict: Verdict
    action: Action
    reasons: tuple[str, ...]
    blockers: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    next_steps: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether a retraining was called for and did not follow."""
        return self.verdict == "retrain" and self.action == "none"


def decision_id(model: str, batch: str, data_version: int, champion: int | None) -> str:
    """Return 16 hex digits that are the same whenever the same batch is judged for the same champion."""
    text = "\x1f".join((model, batch, str(data_version), str(champion)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def decide(evidence: Evidence, monitor: Monitor, retrain: Retrain, promotion: Promotion | None = None) -> Decision:
    """Weigh one batch against the policy; never stop at the first reason or blocker."""
    spoken = [finding for finding in evidence.findings if finding.speaks]
    reasons = [finding.text for finding in sorted(spoken, key=_urgency, reverse=True)]
    asked: list[Severity] = ["fine", *(finding.severity for finding in spoken)]
    if stale := _stale(evidence, monitor, promotion or Promotion()):
        reasons.append(stale)
        asked.append("retrain")
    severity = max(asked, key=_rank)
    blockers = tuple(_blockers(evidence, monitor, retrain, faulty="repair" in asked))
    action: Action = "none"
    if severity == "repair":
        action = "repair"
    elif severity == "retrain" and not blockers:
        action = "retrain"
    return Decision(
        decision_id(evidence.model, evidence.batch, evidence.data_version, evidence.champion),
        VERDICTS[severity],
        action,
        tuple(reasons) or (_quiet(evidence),),
        blockers,
        evidence.findings,
        tuple(_next_steps(evidence, severity, action, promotion or Promotion())),
    )


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


def _blockers(evidence: Evidence, monitor: Monitor, retrain: Retrain, *, faulty: bool) -> Iterator[str]:
    """Give everything that stands against a retraining now, whether or not one is called for."""
    if faulty:
        yield "the data are broken: repair the feed, do not learn from it"
    if evidence.champion is None:
        yield "there is no champion yet: `everfit train` makes the first one"
    if not retrain.auto:
        yield "retrain.auto is false: nothing starts by itself"
    if evidence.labels < monitor.min_labels:
        missing = "" if evidence.target_present else "; the batch itself has no target column"
        yield f"{evidence.labels:,} labelled rows since the champion was made, {monitor.min_labels:,} needed{missing}"
    if evidence.running:
        yield f"a retraining is already wanted or running: {evidence.running}"
    if evidence.waiting is not None:
        yield f"version {evidence.waiting} waits for approval: promote or refuse it first"
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


def _next_steps(evidence: Evidence, severity: Severity, action: Action, promotion: Promotion) -> Iterator[str]:
    """Tell an operator what follows, and what may be done by hand."""
    if action == "repair":
        yield "The batch is refused and kept in quarantine. Repair the feed and send the batch again."
    elif action == "retrain":
        yield "A retraining starts by itself; its challenger must prove itself before it takes over."
        if promotion.approval == "manual":
            yield "Its promotion waits for a person: `everfit promote`."
    elif severity == "retrain":
        yield f"Nothing starts while a blocker stands. `everfit train {evidence.model}` retrains by hand."
    elif severity == "watch":
        yield "Nothing to do now: moved inputs alone say little about the model. Labels will tell; look at the columns."
    else:
        yield "Nothing to do."
