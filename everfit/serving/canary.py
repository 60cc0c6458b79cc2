"""What a canary did, and what is done about it: recorded in the ledger first, so that every service agrees."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from time import monotonic
from typing import Any

from everfit import registry
from everfit.lake import Lake
from everfit.ledger import Kind, Ledger
from everfit.serving import comparing, rollout
from everfit.serving.losses import Losses
from everfit.serving.served import Served
from everfit.serving.values import FEW
from everfit.serving.versions import why_of
from everfit.settings import Settings
from everfit.spec import Canary, ModelSpec

WEIGHS = 30.0  # seconds between two looks at the labels
RESTS = 20  # times as long as the last one took, if that is longer
LOG = logging.getLogger("everfit")


@dataclass
class Tally:
    """What one service saw of a canary in its present step; a step that outlives the service is counted anew."""

    answers: int = 0
    errors: int = 0
    slow: int = 0
    keyless: int = 0  # requests that were not about it, as they had no value by which it is chosen
    causes: list[str] = field(default_factory=list)

    def answered(self, rows: int, milliseconds: float, most: float | None) -> None:
        """Count a request that it answered."""
        self.answers += 1
        self.slow += most is not None and rows <= FEW and milliseconds > most

    def failed(self, cause: Exception) -> bool:
        """Count a request that it did not answer, and the old version did; whether this kind of cause is a new one."""
        self.answers += 1
        self.errors += 1
        if new := (kind := type(cause).__name__) not in self.causes:
            self.causes.append(kind)
        return new

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Weighed:
    """The losses as they were read, and when they are to be read again; `known` is False when they could not be."""

    losses: Losses | None
    known: bool
    again: float


@dataclass
class Conductor:
    """Takes a canary from step to step. Whoever is first with a row wrote it; the others read it at their next look."""

    spec: ModelSpec
    settings: Settings
    ledger: Ledger
    _beside: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "losses"), init=False)
    _over: Event = field(default_factory=Event, init=False)
    _about: tuple[int, int] | None = field(default=None, init=False)
    _weighed: Weighed | None = field(default=None, init=False)
    _reading: Future[Weighed] | None = field(default=None, init=False)

    def go_on(self, standing: rollout.Standing, plan: rollout.Plan, tally: Tally, canary: Served | None,
              now: datetime) -> bool:  # fmt: skip
        """Do what the plan says is to be done; whether the next plan is another one."""
        policy, facts = self.spec.rollout.canary, {"version": standing.champion, "beside": standing.full}
        if plan.todo == "go live":
            self._record("went_live", standing, "", facts, now)
            return False
        if plan.todo == "start" and policy:
            self._record("canary_started", standing, "", {**facts, "share": policy.steps[0]}, now)
        if plan.todo == "revert":
            self._back(standing, str(standing.reverted))
        return plan.todo != "weigh" or self._weigh(standing, policy, tally, canary, now)

    def stop(self) -> None:
        """Give up the losses that are being read: Python waits for their thread at its end."""
        self._over.set()

    def _weigh(self, standing: rollout.Standing, policy: Canary | None, tally: Tally, canary: Served | None,
               now: datetime) -> bool:  # fmt: skip
        stage = standing.stage
        if stage is None or policy is None or canary is None:
            return False
        known = policy.max_loss_increase is None or self._look_at_losses(policy, stage, canary)
        losses = self._weighed.losses if self._weighed and policy.max_loss_increase is not None else None
        move = rollout.decide(policy, stage, rollout.Seen(tally.answers, tally.errors, tally.slow, losses), now)
        if move.kind is None or not (known or move.kind == "canary_reverted"):
            return False
        share = f", {move.share}" if move.share is not None else ""
        facts = {"version": stage.version, "beside": stage.beside, "share": move.share, **tally.to_dict()}
        told = facts | ({"losses": losses.__dict__} if losses else {})
        self._record(move.kind, standing, share, told, now, move.reason)
        return True

    def _look_at_losses(self, policy: Canary, stage: rollout.Stage, canary: Served) -> bool:
        """Read the losses since the canary began now and then; whether those of this step and version are known.

        They are read beside the looks at who is champion, which find them when they are there: neither a rollback nor
        a canary that fails waits until all answers are gone through.
        """
        if self._about != (stage.number, stage.version):
            self._about, self._weighed, self._reading = (stage.number, stage.version), None, None
        if self._reading is None and (self._weighed is None or monotonic() >= self._weighed.again):
            self._reading = self._beside.submit(self._read, canary, stage, policy.min_labels)
        if self._reading and self._reading.done():
            self._weighed, self._reading = self._reading.result(), None
        return self._weighed is not None and self._weighed.known

    def _read(self, canary: Served, stage: rollout.Stage, fewest: int) -> Weighed:
        """Read the losses. Without them no step ends well; errors and latency are judged all the same."""
        began, found, known = monotonic(), None, False
        try:
            found = comparing.canary_losses(Lake(self.settings), self.spec, canary.loaded, stage, fewest, self._over)
            known = True
        except Exception as cause:  # noqa: BLE001 - the lake may be away, or labels be none
            why = why_of(cause, self.spec)
            LOG.warning("%s: the losses of v%d cannot be read: %s", self.spec.name, stage.version, why)
        return Weighed(found, known, monotonic() + max(WEIGHS, RESTS * (monotonic() - began)))

    def _back(self, standing: rollout.Standing, why: str) -> None:
        """Roll back as `everfit rollback` does, to what last answered everything: others never proved themselves.

        Nothing happens when another champion took over meanwhile.
        """
        reason = f"its canary did badly: {why}"
        registry.rollback(self.settings, self.spec.name, reason=reason, bad=standing.champion, to=standing.full)

    def _record(self, kind: Kind, standing: rollout.Standing, what: str, facts: dict[str, Any], now: datetime,
                reason: str = "") -> None:  # fmt: skip
        """Write a row once for each promotion and step, whoever comes first."""
        known = {**facts, "promotion": standing.swap.seq}
        subject = f"v{standing.champion} of entry {standing.swap.seq}{what}"
        self.ledger.once(kind, self.spec.name, subject, actor=self.settings.actor, reason=reason, facts=known, at=now)
