"""What a canary did, and what is done about it: recorded in the ledger first, so that every service agrees."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from everfit import registry
from everfit.lake import Lake
from everfit.ledger import Kind, Ledger
from everfit.serving import comparing, rollout
from everfit.serving.served import Served
from everfit.serving.values import FEW
from everfit.serving.versions import yielding
from everfit.settings import Settings
from everfit.spec import Canary, ModelSpec

WEIGHS = 30.0  # seconds between two looks at the labels


@dataclass
class Tally:
    """What one service saw of a canary in its present step; a step that outlives the service is counted anew."""

    answers: int = 0
    errors: int = 0
    slow: int = 0

    def answered(self, rows: int, milliseconds: float, most: float | None) -> None:
        """Count a request that it answered."""
        self.answers += 1
        self.slow += most is not None and rows <= FEW and milliseconds > most

    def failed(self) -> None:
        """Count a request that it did not answer, and the old version did."""
        self.answers += 1
        self.errors += 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return dict(self.__dict__)


@dataclass
class Conductor:
    """Takes a canary from step to step. Whoever is first with a row wrote it; the others read it at their next look."""

    spec: ModelSpec
    settings: Settings
    ledger: Ledger
    _losses: tuple[int, float, rollout.Losses | None] = field(default=(0, 0.0, None), init=False)

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

    def _weigh(self, standing: rollout.Standing, policy: Canary | None, tally: Tally, canary: Served | None,
               now: datetime) -> bool:  # fmt: skip
        stage = standing.stage
        if stage is None or policy is None or canary is None:
            return False
        losses = self._losses_of(policy, stage, canary)
        move = rollout.decide(policy, stage, rollout.Seen(**tally.to_dict(), losses=losses), now)
        if move.kind is None:
            return False
        share = f", {move.share}" if move.share is not None else ""
        facts = {"version": stage.version, "beside": stage.beside, "share": move.share, **tally.to_dict()}
        known = facts | ({"losses": losses.__dict__} if losses else {})
        self._record(move.kind, standing, share, known, now, move.reason)
        return True

    def _losses_of(self, policy: Canary, stage: rollout.Stage, canary: Served) -> rollout.Losses | None:
        """Return the losses since the canary began, read from the lake now and then."""
        number, at, losses = self._losses
        if policy.max_loss_increase is None or (number == stage.number and monotonic() - at < WEIGHS):
            return losses
        losses = comparing.canary_losses(Lake(self.settings), self.spec, canary.loaded, stage)
        self._losses = (stage.number, monotonic(), losses)
        return losses

    def _back(self, standing: rollout.Standing, why: str) -> None:
        """Roll back as `everfit rollback` does, to what last answered everything: others never proved themselves.

        Nothing happens when another champion took over meanwhile.
        """
        reason = f"its canary did badly: {why}"
        with yielding():
            registry.rollback(self.settings, self.spec.name, reason=reason, bad=standing.champion, to=standing.full)

    def _record(self, kind: Kind, standing: rollout.Standing, what: str, facts: dict[str, Any], now: datetime,
                reason: str = "") -> None:  # fmt: skip
        """Write a row once for each promotion and step, whoever comes first."""
        known = {**facts, "promotion": standing.swap.seq}
        subject = f"v{standing.champion} of entry {standing.swap.seq}{what}"
        self.ledger.once(kind, self.spec.name, subject, actor=self.settings.actor, reason=reason, facts=known, at=now)
