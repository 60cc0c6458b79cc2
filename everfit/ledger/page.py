"""Reading and appending rows within one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from everfit.ledger.entries import GENESIS, KINDS, Entry, Kind, entry_of, hash_of, write_facts, write_time
from everfit.ledger.store import LEDGER


class Page:
    """The table as one transaction sees it. What it finds still holds when it appends, if it was opened for writing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.written: list[Entry] = []

    def append(
        self,
        kind: Kind,
        model: str,
        subject: str,
        actor: str,
        reason: str,
        facts: Mapping[str, Any],
        at: datetime | None,
    ) -> Entry:
        """Chain one row to the last."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is not a kind of entry")
        last = self._connection.execute(sa.select(LEDGER.c.seq, LEDGER.c.hash).order_by(LEDGER.c.seq.desc()).limit(1))
        seq, previous = last.one_or_none() or (0, GENESIS)
        row: dict[str, Any] = {
            "seq": seq + 1,
            "at": write_time(at or datetime.now(UTC)),
            "kind": kind,
            "model": model,
            "subject": subject,
            "actor": actor,
            "reason": reason,
            "facts": write_facts(facts),
            "previous": previous,
        }
        row["hash"] = hash_of(row)
        try:
            self._connection.execute(sa.insert(LEDGER).values(row))
        except sa.exc.IntegrityError as cause:
            raise ValueError(
                f"{model}: {kind} of '{subject}' is recorded already; `once` tells who was first"
            ) from cause
        self.written.append(entry_of(row))
        return self.written[-1]

    def find(self, model: str, kinds: Sequence[Kind], subject: str) -> Entry | None:
        """Return the first row about a subject."""
        query = sa.select(LEDGER).where(LEDGER.c.model == model, LEDGER.c.kind.in_(kinds), LEDGER.c.subject == subject)
        row = self._connection.execute(query.order_by(LEDGER.c.seq).limit(1)).mappings().one_or_none()
        return entry_of(dict(row)) if row else None

    def select(
        self,
        model: str | None,
        kinds: Sequence[Kind] | None = None,
        *,
        subject: str | None = None,
        after: int = 0,
        since: datetime | None = None,
        at: datetime | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Return rows, oldest first; `limit` keeps the last of them."""
        query = sa.select(LEDGER).where(LEDGER.c.seq > after).order_by(LEDGER.c.seq.desc()).limit(limit)
        if model is not None:
            query = query.where(LEDGER.c.model == model)
        if kinds is not None:
            query = query.where(LEDGER.c.kind.in_(kinds))
        if subject is not None:
            query = query.where(LEDGER.c.subject == subject)
        if since is not None:
            query = query.where(LEDGER.c.at >= write_time(since))
        if at is not None:
            query = query.where(LEDGER.c.at <= write_time(at))
        return [entry_of(dict(row)) for row in reversed(self._connection.execute(query).mappings().all())]

    def last(self, model: str, kinds: Sequence[Kind]) -> int:
        """Return the number of the last row of these kinds; 0 when there is none."""
        query = sa.select(sa.func.max(LEDGER.c.seq)).where(LEDGER.c.model == model, LEDGER.c.kind.in_(kinds))
        return self._connection.execute(query).scalar() or 0

    def hash_at(self, seq: int) -> str | None:
        """Return the hash of one row, if it is there."""
        return self._connection.execute(sa.select(LEDGER.c.hash).where(LEDGER.c.seq == seq)).scalar()
