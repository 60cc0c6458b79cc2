"""One wanted retraining, one holder at a time, one outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from everfit.ledger import lineages, trainings
from everfit.ledger.champions import SWAPS
from everfit.ledger.entries import Entry, Kind, write_time
from everfit.ledger.holders import Holder
from everfit.ledger.page import Page

OUTCOMES: tuple[Kind, ...] = ("retrain_finished", "retrain_failed")
CLAIMS: tuple[Kind, ...] = ("retrain_started", "retrain_released")
STEPS: tuple[Kind, ...] = ("retrain_wanted", *CLAIMS, *OUTCOMES)
WEIGHED: tuple[Kind, ...] = ("retrain_wanted", *OUTCOMES)
CHANGES: tuple[Kind, ...] = ("drift_judged", *WEIGHED, "approval_wanted", "train_started", *SWAPS)
ATTEMPTS = 3
LEASE = timedelta(hours=24)
SEARCH = "search"

Timed = tuple[int, str, timedelta]  # the row with its verdict, what kind it was, and how long it took


@dataclass(frozen=True)
class Past:
    """The retrainings of a model so far: when searches ended, and what is open; `seq` is the last row that counts.

    `busy` is a retraining that is under way or about to be, and `queued` a search that is wanted and nobody is at work
    on: it may have to wait. `seconds` are those that the last training of each kind took, by whomever it was wanted.
    """

    ended: tuple[datetime, ...]
    busy: str
    queued: str
    seq: int
    seconds: dict[str, float]

    @property
    def open(self) -> str:
        """Whatever has no outcome yet."""
        return self.busy or self.queued


@dataclass(frozen=True)
class Story:
    """What the ledger knows of one decision to retrain."""

    wanted: Entry | None
    starts: tuple[Entry, ...]
    settled: bool
    given_back: int
    released: bool

    def held(self, now: datetime) -> bool:
        """Say whether a claim binds: while its process lives, or, on another host, until its lease is over."""
        if self.released or not self.starts:
            return False
        alive = self._holder.alive
        return write_time(now) < self.starts[-1].facts["lease_until"] if alive is None else alive

    @property
    def _holder(self) -> Holder:
        return Holder.from_dict(self.starts[-1].facts["holder"])


def past(page: Page, model: str, now: datetime) -> Past:
    """Sum up the rows that decide whether another retraining may be wanted."""
    entries = page.select(model, STEPS)
    ended = {entry.subject: entry.at for entry in entries if entry.kind in OUTCOMES}
    asked = {entry.subject: how_of(entry) for entry in entries if entry.kind == "retrain_wanted"}
    open_ = [subject for subject in asked if subject not in ended]
    searches = tuple(at for subject, at in ended.items() if asked.get(subject, SEARCH) == SEARCH)
    free = [entry.subject for entry in wanted(page, model, now) if how_of(entry) == SEARCH]
    busy = [*(subject for subject in open_ if subject not in free), *_by_hand(page, model, now)]
    last_busy, last_free = (next(reversed(each), "") for each in (busy, free))
    timed = sorted([*_asked_for(entries, asked), *_timed_by_hand(page, model)])
    seconds = {how: round(took.total_seconds(), 1) for _, how, took in timed}
    return Past(searches, last_busy, last_free, page.last(model, CHANGES), seconds)


def _asked_for(entries: Sequence[Entry], asked: Mapping[str, str]) -> list[Timed]:
    """Return the retrainings that a decision asked for, from their claim until their version was judged."""
    began = {entry.facts["decision"]: entry.at for entry in entries if entry.kind == "retrain_started"}
    made = [e for e in entries if e.kind == "retrain_finished" and "version" in e.facts and e.subject in began]
    return [(e.seq, asked.get(e.subject, SEARCH), e.at - began[e.subject]) for e in made]


def _timed_by_hand(page: Page, model: str) -> list[Timed]:
    """Return the trainings that nobody decided on, the first one of a model among them."""
    entries = page.select(model, ("train_started", "registered", *trainings.JUDGED))
    began = {entry.subject: entry.at for entry in entries if entry.kind == "train_started"}
    made = lineages.made([entry for entry in entries if entry.kind == "registered"])
    judged = [e for e in entries if e.kind in trainings.JUDGED and e.facts.get("training") in began]
    return [
        (e.seq, SEARCH if made[version].searched else "refit", e.at - began[e.facts["training"]])
        for e in judged
        if (version := e.facts["version"]) in made
    ]


def _by_hand(page: Page, model: str, now: datetime) -> list[str]:
    """Return the trainings under way that no decision asked for; on another host, those of the last day."""
    starts = [
        start for start in trainings.running(page.select(model, trainings.KINDS)) if start.kind == "train_started"
    ]
    return [s.subject for s in starts if Holder.from_dict(s.facts["holder"]).alive or now - s.at < LEASE]


def how_of(wanted: Entry) -> str:
    """Return what kind of retraining is wanted; all were searches before there were others."""
    return str(wanted.facts.get("how", SEARCH))


def wanted(page: Page, model: str, now: datetime) -> list[Entry]:
    """Return the decisions without an outcome that nobody is at work on, oldest first."""
    stories = _stories(page, model).values()
    return [story.wanted for story in stories if story.wanted and not story.settled and not story.held(now)]


def claim(page: Page, model: str, decision: str, actor: str, holder: Holder, lease: timedelta, now: datetime) -> bool:
    """Give the decision to this holder unless somebody has it, it is settled or it was never wanted."""
    story = _stories(page, model).get(decision)
    if story is None or story.wanted is None or story.settled or story.held(now):
        return False
    attempt = len(story.starts) + 1
    how = how_of(story.wanted)
    if len(story.starts) - story.given_back >= ATTEMPTS:
        why = f"given up: {ATTEMPTS} attempts ended without an outcome"
        page.append("retrain_failed", model, decision, actor, why, {"how": how, "attempts": ATTEMPTS}, now)
        return False
    until = write_time(now + lease)
    facts = {"decision": decision, "how": how, "attempt": attempt, "holder": holder.to_dict(), "lease_until": until}
    page.append("retrain_started", model, _numbered(decision, attempt), actor, "", facts, now)
    return True


def release(page: Page, model: str, decision: str, actor: str, reason: str) -> None:
    """Give back the claim that stands, if one does."""
    story = _stories(page, model).get(decision)
    if story and story.wanted and story.starts and not story.released and not story.settled:
        subject, facts = _numbered(decision, len(story.starts)), {"decision": decision, "how": how_of(story.wanted)}
        page.append("retrain_released", model, subject, actor, reason, facts, None)


def _stories(page: Page, model: str) -> dict[str, Story]:
    told: dict[str, list[Entry]] = {}
    for entry in page.select(model, STEPS):
        ours = entry.kind in CLAIMS
        told.setdefault(entry.facts["decision"] if ours else entry.subject, []).append(entry)
    return {decision: _story(entries) for decision, entries in told.items()}


def _story(entries: list[Entry]) -> Story:
    claims = [entry for entry in entries if entry.kind in CLAIMS]
    return Story(
        wanted=next((entry for entry in entries if entry.kind == "retrain_wanted"), None),
        starts=tuple(entry for entry in claims if entry.kind == "retrain_started"),
        settled=any(entry.kind in OUTCOMES for entry in entries),
        given_back=sum(entry.kind == "retrain_released" for entry in claims),
        released=bool(claims) and claims[-1].kind == "retrain_released",
    )


def _numbered(decision: str, attempt: int) -> str:
    """Name an attempt: a subject is written only once, so those after the first get a number."""
    return decision if attempt == 1 else f"{decision}#{attempt}"
