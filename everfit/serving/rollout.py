"""Which version answers which request: how serving goes over to a new champion, step by step, as the ledger tells it.

Nothing here looks at a clock or keeps a state: several services of one model, and one that was started anew, read the
same rows and come to the same plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from everfit.ledger import Entry, Kind
from everfit.ledger.champions import SWAPS
from everfit.serving.losses import Losses, level_at
from everfit.spec import Canary

CANARY: tuple[Kind, ...] = ("canary_started", "canary_advanced", "canary_finished", "canary_reverted")
KINDS: tuple[Kind, ...] = (*SWAPS, "went_live", *CANARY, "registered")
SLOW_SHARE = 0.05  # of the answers may take longer than they should
Todo = Literal["", "go live", "start", "weigh", "revert"]


@dataclass(frozen=True)
class Stage:
    """One step of a canary: its share of the requests, and since when.

    `first` and `number` are those of the ledger rows of its first and of its present step.
    """

    version: int
    beside: int
    share: float
    since: datetime
    began: datetime
    first: int
    number: int

    def takes(self, key: str) -> bool:
        """Say whether the canary answers whatever has this key: the same keys, and more of them, at each step."""
        digest = hashlib.blake2b(f"{self.first}:{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.share * 2**64


@dataclass(frozen=True)
class Standing:
    """Where the ledger says that serving is. `full` is the version that last answered everything."""

    champion: int
    swap: Entry
    full: int | None
    stage: Stage | None = None
    reverted: str | None = None


@dataclass(frozen=True)
class Plan:
    """Who is to answer: `main`, and `canary` for its share. `todo` is what the ledger does not say yet."""

    main: int
    canary: int | None = None
    todo: Todo = ""


@dataclass(frozen=True)
class Seen:
    """What the canary did in this step: all that it was asked, and of these how many failed or were slow."""

    answers: int = 0
    errors: int = 0
    slow: int = 0
    losses: Losses | None = None


@dataclass(frozen=True)
class Move:
    """What to record about a canary and why; `kind` is None while the step goes on."""

    kind: Literal["canary_advanced", "canary_finished", "canary_reverted"] | None
    reason: str
    share: float | None = None


def standing_of(entries: Sequence[Entry]) -> Standing | None:
    """Read promotions, rollbacks and rollouts, oldest first; None without a champion."""
    swaps = [entry for entry in entries if entry.kind in SWAPS]
    if not swaps:
        return None
    swap, champion = swaps[-1], int(swaps[-1].facts["version"])
    full = _full(entries)
    if full is None or full == champion:
        return Standing(champion, swap, full)
    promotions = _promotions(entries, swaps, full)
    own = [entry for entry in entries if entry.kind in CANARY and entry.facts["promotion"] in promotions]
    back = next((entry.reason for entry in own if entry.kind == "canary_reverted"), None)
    steps = [entry for entry in own if entry.kind in ("canary_started", "canary_advanced")]
    if not steps or back is not None:
        return Standing(champion, swap, full, reverted=back)
    last = max(steps, key=lambda entry: float(entry.facts["share"]))
    stage = Stage(champion, full, float(last.facts["share"]), last.at, steps[0].at, steps[0].seq, last.seq)
    return Standing(champion, swap, full, stage)


def _full(entries: Sequence[Entry]) -> int | None:
    """Return the version that last answered everything; None without any.

    Where one service found that a canary did badly, another may have written a moment later that it did well: whoever
    was first is right.
    """
    full: int | None = None
    bad = set()
    for entry in entries:
        if entry.kind == "canary_reverted":
            bad.add(entry.facts["promotion"])
        elif entry.kind == "went_live" or (entry.kind == "canary_finished" and entry.facts["promotion"] not in bad):
            full = int(entry.facts["version"])
    return full


def _promotions(entries: Sequence[Entry], swaps: Sequence[Entry], full: int) -> set[int]:
    """Return the promotions that the present canary is about: the last, and those that it is a refit of.

    A refit goes on where the version was that it is a refit of; else refits that come faster than the steps end would
    let no version ever take over.
    """
    roots = {
        int(e.facts["version"]): e.facts.get("root", e.facts["version"]) for e in entries if e.kind == "registered"
    }
    own, root = set(), None
    for swap in reversed(swaps):
        version = int(swap.facts["version"])
        root = roots.get(version, version) if root is None else root
        if swap.kind == "rolled_back" or version == full or roots.get(version, version) != root:
            break
        own.add(swap.seq)
    return own


def plan_of(standing: Standing, policy: Canary | None) -> Plan:
    """Say who answers. A rollback, the first champion, and any without `rollout.canary` answer everything at once."""
    champion, full = standing.champion, standing.full
    if champion == full:
        return Plan(champion)
    if standing.swap.kind == "rolled_back" or full is None or policy is None:
        return Plan(champion, todo="go live")
    if standing.reverted is not None:
        return Plan(full, todo="revert")
    return Plan(full, champion, "weigh" if standing.stage else "start")


def decide(policy: Canary, stage: Stage, seen: Seen, now: datetime) -> Move:
    """Weigh one step: back as soon as it cannot end well any more, on when it has lasted and answered enough."""
    if faults := _faults(policy, seen):
        return Move("canary_reverted", "; ".join(faults))
    if waits := _waits(policy, stage, seen, now):
        return Move(None, " and ".join(waits))
    well = f"{seen.answers:,} answers, {seen.errors} failed"
    if (following := following_of(policy, stage)) is None:
        return Move("canary_finished", well)
    return Move("canary_advanced", well, following)


def following_of(policy: Canary, stage: Stage) -> float | None:
    """Return the next share, also when the steps of the model file were changed meanwhile; None after the last."""
    return next((share for share in policy.steps if share > stage.share), None)


def _faults(policy: Canary, seen: Seen) -> list[str]:
    """Say what is wrong. Few answers are judged as if all that are still needed would be good."""
    asked, found = max(seen.answers, policy.min_answers), []
    if seen.errors > policy.max_error_rate * asked:
        found.append(f"{seen.errors} of {seen.answers} answers failed; {policy.max_error_rate:.1%} may")
    if policy.max_latency_ms is not None and seen.slow > SLOW_SHARE * asked:
        found.append(f"{seen.slow} of {seen.answers} answers took longer than {policy.max_latency_ms:g} ms")
    if seen.losses and _worse(policy, seen.losses):
        found.append(
            f"its loss on {seen.losses.labels} labels is {seen.losses.after:.4g}, {seen.losses.rise:.1%} above "
            f"{seen.losses.before:.4g} of the old version"
        )
    return found


def _worse(policy: Canary, losses: Losses) -> bool:
    return (
        policy.max_loss_increase is not None
        and losses.labels >= policy.min_labels
        and losses.rise > policy.max_loss_increase
        and losses.p_value < level_at(losses.labels, policy.min_labels)
    )


def _waits(policy: Canary, stage: Stage, seen: Seen, now: datetime) -> list[str]:
    until, missing = stage.since + policy.hold, policy.min_answers - seen.answers
    waits = [f"it lasts until {until:%Y-%m-%d %H:%M} UTC"] if now < until else []
    return [*waits, *([f"{missing:,} more answers are needed"] if missing > 0 else [])]


def in_words(standing: Standing | None, policy: Canary | None) -> str:
    """Say in one sentence who answers and what comes next, as far as the ledger knows."""
    if standing is None:
        return "there is no champion yet"
    champion, full, stage = standing.champion, standing.full, standing.stage
    if standing.reverted is not None:
        return f"v{champion} did badly ({standing.reverted}) and is being taken back; v{full} answers every request"
    if stage:
        said = f"v{stage.version} answers {stage.share:.1%} of the requests since {stage.since:%Y-%m-%d %H:%M} UTC"
        return f"{said}, v{stage.beside} the others; {_next(policy, stage)}"
    if champion == full:
        return f"v{champion} answers every request"
    if full is None:
        return f"v{champion} is champion, and no service has answered with it yet"
    return f"v{champion} is champion; v{full} answers until a service has gone over"


def _next(policy: Canary | None, stage: Stage) -> str:
    if policy is None:
        return "the model file has no rollout.canary any more, so that it is about to have all"
    share, until = following_of(policy, stage), f"{stage.since + policy.hold:%Y-%m-%d %H:%M} UTC"
    then = "is done" if share is None else f"has {share:.1%}"
    return f"when all goes well, it {then} after {until} and {policy.min_answers:,} answers"
