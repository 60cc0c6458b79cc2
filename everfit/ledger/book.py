"""The ledger itself: append, look up, swap the champion, hand out retrainings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

import sqlalchemy as sa

from everfit.errors import InputError
from everfit.ledger import champions, lineages, proof, retrainings, trainings, winners
from everfit.ledger.entries import Entry, Kind
from everfit.ledger.holders import Holder
from everfit.ledger.page import Page
from everfit.ledger.retrainings import LEASE, SEARCH
from everfit.ledger.store import LEDGER, Store, is_file
from everfit.settings import Settings


class Ledger:
    """One append-only table of decisions, in SQLite or PostgreSQL; any number of processes may write to it.

    `anchor` is the file that lets `verify` see a cut-off end; for SQLite it stands beside the database.

    >>> import tempfile
    >>> ledger = Ledger(f"sqlite:///{tempfile.mkdtemp()}/ledger.db")
    >>> ledger.swap_champion("bike", expected=None, new=1, actor="ann", reason="first").summary
    'v1 became the first champion: first'
    >>> ledger.champion("bike"), ledger.verify().ok
    (1, True)
    """

    def __init__(self, url: str, *, anchor: Path | None = None) -> None:
        self._store = Store(url)
        beside = self._store.file and self._store.file.with_name(f"{self._store.file.name}.anchor")
        self._anchor = anchor or beside

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the ledger of a workspace. Its anchor, which shows a cut-off end, lies in the home of this machine."""
        beside = is_file(settings.ledger_url)
        return cls(settings.ledger_url, anchor=None if beside else settings.folder() / "ledger.anchor")

    def record(
        self,
        kind: Kind,
        model: str,
        *,
        subject: str = "",
        actor: str,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> Entry:
        """Append one row. The same kind, model and subject a second time is an error; see `once`."""
        with self._appending() as page:
            return page.append(kind, model, subject, actor, reason, facts or {}, at)

    def once(
        self,
        kind: Kind,
        model: str,
        subject: str,
        *,
        actor: str,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> tuple[Entry, bool]:
        """Append the row unless it is there; of all who race, one gets True and the others its row."""
        with self._appending() as page:
            there = page.find(model, (kind,), subject)
            return (
                (there, False) if there else (page.append(kind, model, subject, actor, reason, facts or {}, at), True)
            )

    def entries(
        self,
        model: str | None = None,
        *,
        kinds: Sequence[Kind] | None = None,
        subject: str | None = None,
        after: int = 0,
        since: datetime | None = None,
        at: datetime | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Return rows in the order in which they were written.

        `after` leaves out those up to a number, `limit` keeps the last, and `at` means what was known then.
        """
        with self._store.reading() as connection:
            return Page(connection).select(model, kinds, subject=subject, after=after, since=since, at=at, limit=limit)

    def verify(self) -> proof.Verification:
        """Recompute the chain and name the first row that was altered, taken out or put in."""
        unreadable, anchor = "", None
        try:
            anchor = proof.read_anchor(self._anchor)
        except ValueError as damage:
            unreadable = f"{damage}, so a cut-off end would not be seen"
        query = sa.select(LEDGER).order_by(LEDGER.c.seq).execution_options(yield_per=1_000)
        with self._store.reading() as connection, connection.execute(query) as rows:
            return proof.verify(map(dict, rows.mappings()), anchor, unreadable)

    @property
    def cut_off(self) -> bool:
        """Whether rows that this machine wrote are missing; `verify` says from which on."""
        with self._store.reading() as connection:
            return self._anchor is not None and not proof.follows(self._anchor, Page(connection).hash_at)

    def champion(self, model: str, at: datetime | None = None) -> int | None:
        """Return the version that is champion, or was at a moment."""
        return next(reversed(self._line(model, at)), None)

    def previous(self, model: str, at: datetime | None = None) -> int | None:
        """Return the version that a rollback goes back to."""
        return next(iter(self._line(model, at)[-2:-1]), None)

    def swaps(self, model: str, at: datetime | None = None) -> list[Entry]:
        """Return every change of the champion, promotions and rollbacks, oldest first."""
        return self.entries(model, kinds=champions.SWAPS, at=at)

    def registered(self, model: str) -> dict[int, dict[str, Any]]:
        """Return the data that each version was made from, as its registration recorded them, oldest version first."""
        return {int(e.facts["version"]): e.facts["data"] for e in self.entries(model, kinds=["registered"])}

    def lineage(self, model: str) -> list[lineages.Made]:
        """Return the champion and the versions before it back to the search that it began with, newest first."""
        return lineages.lineage(self.swaps(model), self.made(model))

    def made(self, model: str) -> dict[int, lineages.Made]:
        """Return how each version was made."""
        return lineages.made(self.entries(model, kinds=["registered"]))

    def since(self, model: str) -> datetime | None:
        """Return when the champion, or the version of its search that it is a refit of, took over."""
        return lineages.since(self.swaps(model), self.made(model))

    def winners(self, model: str, before: int | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Return the configurations that the champion and the last trainings are made of, the champion's first.

        With `before`, as they were known to the first training on that data version, so that it can be repeated.
        """
        return winners.of(self.entries(model, kinds=["registered", *champions.SWAPS]), before)

    def asked(self, model: str) -> Entry | None:
        """Return the open question whether a version may take over; its facts say which, and against which champion."""
        open_: Entry | None = None
        for entry in self.entries(model, kinds=["approval_wanted", "promotion_refused", *champions.SWAPS]):
            if entry.kind == "approval_wanted":
                open_ = entry
            elif open_ and entry.facts["version"] == open_.facts["version"]:
                open_ = None
        return open_

    def waiting(self, model: str) -> int | None:
        """Return the version that waits for a person's word: to take over, or to be refused."""
        question = self.asked(model)
        return int(question.facts["version"]) if question else None

    def swap_champion(
        self,
        model: str,
        *,
        expected: int | None,
        new: int,
        kind: champions.Swap = "promoted",
        actor: str,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> Entry:
        """Make `new` champion if `expected` still is; raise PromotionRefused, saying who won, if not."""
        with self._appending() as page:
            swaps = page.select(model, champions.SWAPS)
            line = champions.line_of(swaps)
            champions.refuse(model, expected, new, next(reversed(line), None), next(reversed(swaps), None))
            known = {**(facts or {}), "version": new, "replaced": expected}
            return page.append(kind, model, "", actor, reason, known, at)

    def unended(self, model: str | None = None) -> list[Entry]:
        """Return the starts of trainings that never came to an end, and never will."""
        return trainings.unended(self.entries(model, kinds=trainings.KINDS))

    def stop_search(self, model: str, *, actor: str, reason: str = "") -> Entry:
        """Ask the training under way to end its search; raise InputError when there is none."""
        with self._appending() as page:
            running = trainings.running(page.select(model, trainings.KINDS))
            if not running:
                raise InputError(
                    f"{model}: no training is under way, so there is no search to stop.",
                    do=f"everfit history {model} says how the last one ended.",
                )
            facts = {"training": running[-1].subject}
            return page.append("stop_wanted", model, "", actor, reason, facts, None)

    def stop_wanted(self, model: str) -> bool:
        """Return whether the search of the latest training was asked to end."""
        return [entry.kind for entry in self.entries(model, kinds=trainings.STOPPABLE, limit=1)] == ["stop_wanted"]

    def wanted(self, model: str) -> list[Entry]:
        """Return the retrainings that were wanted, have no outcome and that no living process is at work on."""
        with self._store.reading() as connection:
            return retrainings.wanted(Page(connection), model, datetime.now(UTC))

    def retrainings(self, model: str) -> retrainings.Past:
        """Return what speaks for or against another retraining; `judge` takes the number of its last row."""
        with self._store.reading() as connection:
            return retrainings.past(Page(connection), model, datetime.now(UTC))

    def judge(
        self,
        model: str,
        decision: str,
        *,
        retrain: bool,
        after: int,
        how: str = SEARCH,
        actor: str,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Entry | None:
        """Record a decision about a batch and, in the same moment, the retraining that it wants; return its row.

        `how` is what kind of retraining: only searches count for cooldown and cap. Whoever comes second with a decision
        gets the row of the first. None, and nothing is recorded, when anything that a decision rests on changed after
        the row `after`: another decision, a retraining that was wanted or ended, another champion. All must then be
        weighed again.
        """
        with self._appending() as page:
            if there := page.find(model, ("drift_judged",), decision):
                return there
            if page.last(model, retrainings.CHANGES) != after:
                return None
            entry = page.append("drift_judged", model, decision, actor, reason, facts or {}, None)
            if retrain:
                page.append("retrain_wanted", model, decision, actor, reason, {"how": how}, None)
            return entry

    def claim(
        self, model: str, decision: str, *, actor: str, holder: Holder | None = None, lease: timedelta = LEASE
    ) -> bool:
        """Take on a wanted retraining; True for exactly one holder.

        A claim is free again when its process is gone, or, when that process was on another host, once its lease is
        over: make the lease longer than a retraining takes. After three processes died of it, it is recorded as
        failed; a claim that was given back is no such death. False also when it has its outcome, or was never wanted.
        """
        with self._appending() as page:
            now = datetime.now(UTC)
            return retrainings.claim(page, model, decision, actor, holder or Holder.here(), lease, now)

    def release(self, model: str, decision: str, *, actor: str = "everfit", reason: str = "") -> None:
        """Give a claim back without an outcome, because of a failure that time may heal; it is wanted again."""
        with self._appending() as page:
            retrainings.release(page, model, decision, actor, reason)

    def finish(
        self,
        model: str,
        decision: str,
        *,
        outcome: Literal["finished", "failed"],
        actor: str = "everfit",
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[Entry, bool]:
        """Record the outcome of a retraining; the first outcome stands, and only its writer gets True."""
        with self._appending() as page:
            there = page.find(model, retrainings.OUTCOMES, decision)
            if there:
                return there, False
            kind: Kind = "retrain_finished" if outcome == "finished" else "retrain_failed"
            wanted = page.find(model, ("retrain_wanted",), decision)
            known = {"how": retrainings.how_of(wanted)} if wanted else {}
            return page.append(kind, model, decision, actor, reason, {**known, **(facts or {})}, None), True

    def _line(self, model: str, at: datetime | None) -> list[int]:
        return champions.line_of(self.swaps(model, at))

    @contextmanager
    def _appending(self) -> Iterator[Page]:
        """Open a page to write on; once it is committed, move the anchor to its last row.

        Nothing is written after an end that was cut off: a champion chosen there would be chosen without its past.
        """
        with self._store.writing() as connection:
            page = Page(connection)
            if self._anchor and not proof.follows(self._anchor, page.hash_at):
                raise _cut_off(self._store.address, self._anchor)
            yield page
        if page.written and self._anchor:
            proof.move_anchor(self._anchor, page.written[-1])


def _cut_off(address: str, anchor: Path) -> InputError:
    return InputError(
        f"The ledger {address} is not the one that this machine wrote: rows are missing, or were written anew, "
        f"or its anchor {anchor.name} is damaged.",
        why="Nothing is decided on a history that is not whole. everfit audit verify says what is wrong with it.",
        do=f"Restore it from a backup. To begin a new history on purpose, move {anchor} away as well.",
    )
