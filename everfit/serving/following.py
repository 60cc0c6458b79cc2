"""Whoever is champion answers: a promotion or a rollback is live within seconds, and nothing unfit ever serves."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from threading import Lock
from typing import Any

from everfit.errors import did_you_mean
from everfit.ledger import Entry, Ledger
from everfit.ledger.champions import challenger_of
from everfit.serving import rollout
from everfit.serving.canary import Conductor, Tally
from everfit.serving.served import Served
from everfit.serving.shadow import Shadow
from everfit.serving.versions import Versions
from everfit.settings import Settings
from everfit.spec import ModelSpec

KINDS = (*rollout.KINDS, "approval_wanted", "promotion_refused", "shadow_stopped", "shadow_compared")


@dataclass(frozen=True)
class Live:
    """Who answers at this moment, exchanged as a whole: the main version, and a canary for its share."""

    main: Served
    canary: Served | None = None
    stage: rollout.Stage | None = None
    tally: Tally = field(default_factory=Tally)

    def canary_for(self, key: str | None) -> Served | None:
        """Return the canary when it is to answer what has this key; whatever has none is the main version's."""
        return self.canary if self.stage and key is not None and self.stage.takes(key) else None


@dataclass
class Follower:
    """Keeps `live` at what the ledger says. The rows that it has read are all that it remembers of the past."""

    spec: ModelSpec
    settings: Settings
    live: Live | None = field(default=None, init=False)
    _entries: list[Entry] = field(default_factory=list, init=False)
    _told: set[str] = field(default_factory=set, init=False)
    _looking: Lock = field(default_factory=Lock, init=False)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger that is followed."""
        return Ledger.of(self.settings)

    @cached_property
    def versions(self) -> Versions:
        """The versions that are ready, and those that were refused."""
        return Versions(self.spec, self.settings)

    @cached_property
    def shadow(self) -> Shadow:
        """The challenger that answers in the background, if there is one."""
        return Shadow(self.spec, self.settings)

    @property
    def served(self) -> Served | None:
        """The main version; None while nothing serves."""
        return self.live.main if self.live else None

    @property
    def refused(self) -> dict[int, str]:
        """The versions that cannot serve, and why."""
        return self.versions.refused

    @cached_property
    def conductor(self) -> Conductor:
        """What takes a canary from step to step."""
        return Conductor(self.spec, self.settings, self.ledger)

    def look(self, now: datetime | None = None) -> None:
        """Go over to what the ledger says by now.

        It is loaded, compiled, checked and warmed up beside the present one, which answers meanwhile, and goes on to
        answer when that fails: then an alert is recorded once. Raise Unavailable when the ledger does not answer.
        """
        with self._looking:
            now = now or datetime.now(UTC)
            while self._step(now):
                pass
            self._follow_challenger(now)

    def stop(self) -> None:
        """End what goes on beside: the challenger, and the reading of a canary's losses."""
        self.conductor.stop()
        self.shadow.stop()

    def _step(self, now: datetime) -> bool:
        """Exchange who answers, and record what follows; whether the ledger says something else since."""
        standing = self.standing()
        if standing is None:
            return False
        plan = rollout.plan_of(standing, self.spec.rollout.canary)
        main, canary = (self.versions.get(version, standing.swap.seq) if version else None
                        for version in (plan.main, plan.canary))  # fmt: skip
        if canary and plan.main in self.refused:  # after a restart; maybe on this machine alone, so it proves nothing
            main, canary = canary, None
        if canary and (why := self._keyless(canary)):
            self.refused[canary.version], canary = why, None
        if main is None and self.live is None and standing.full:  # after a restart: it would have gone on otherwise
            main = self.versions.get(standing.full, standing.swap.seq)
        if main := main or self.served:  # a canary never stands in for what may be read a moment later
            self._exchange(standing, plan, main, canary)
        self._tell_refused(standing)
        ready = self.served is not None and self.served.version == plan.main and (canary or not plan.canary)
        tally = self.live.tally if self.live else Tally()
        return bool(ready and plan.todo) and self.conductor.go_on(standing, plan, tally, canary, now)

    def _keyless(self, canary: Served) -> str:
        """Say why a canary would be asked nothing: it is chosen by a field that no request can have."""
        policy, known = self.spec.rollout.canary, canary.contract.known
        by = policy.by if policy else None
        if by is None or by in known:
            return ""
        return f"rollout.canary.by is '{by}', which is no column of its data.{did_you_mean(by, known)}"

    def standing(self) -> rollout.Standing | None:
        """Read what the ledger says that was not read yet, and say where serving is."""
        last = self._entries[-1].seq if self._entries else 0
        self._entries += self.ledger.entries(self.spec.name, kinds=KINDS, after=last)
        return rollout.standing_of(self._entries)

    def _exchange(self, standing: rollout.Standing, plan: rollout.Plan, main: Served, canary: Served | None) -> None:
        stage = standing.stage if canary else None
        tally = self.live.tally if self.live and stage == self.live.stage else Tally()
        self.live = Live(main, canary if stage else None, stage, tally)
        self.versions.keep({main.version, plan.main, *([plan.canary] if plan.canary else [])})

    def _tell_refused(self, standing: rollout.Standing) -> None:
        kept = self.served.version if self.served else None
        for version, why in self.refused.items():
            subject, facts = f"v{version} after entry {standing.swap.seq}", {"version": version, "kept": kept}
            if subject in self._told:
                continue
            actor = self.settings.actor
            self.ledger.once("serving_refused", self.spec.name, subject, actor=actor, reason=why, facts=facts)
            self._told.add(subject)
            logging.getLogger("everfit").error("%s v%d cannot serve: %s", self.spec.name, version, why)

    def _follow_challenger(self, now: datetime) -> None:
        main = self.served
        wanted = challenger_of(self._entries, now) if self.spec.rollout.shadow and main else None
        stopped = {entry.subject for entry in self._entries if entry.kind == "shadow_stopped"}
        self.shadow.follow(wanted, main.version if main else 0, stopped)

    def in_words(self) -> dict[str, Any]:
        """Say how far the rollout is, for people."""
        said: dict[str, Any] = {
            "rollout": rollout.in_words(rollout.standing_of(self._entries), self.spec.rollout.canary)
        }
        if (live := self.live) and live.stage:
            said["canary"] = {"version": live.stage.version, "share": live.stage.share, **live.tally.to_dict()}
        if self.shadow.version is not None:
            said["shadow"] = {**self.shadow.to_dict(), "compared": self._compared()}
        return said

    def _compared(self) -> str | None:
        told = [e for e in self._entries if e.kind == "shadow_compared" and e.facts["version"] == self.shadow.version]
        return told[-1].summary if told else None
