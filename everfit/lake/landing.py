"""Land one batch: two commits, one outcome.

The commit to `batches` decides which rows are good. The quarantine follows from it as what is left, so whoever finds
the second commit missing can make it, and two who land the same batch at once can never disagree.

A batch counts as live in `batches` while its app transaction number is odd: landing and being replaced both add
one. The quarantine of a batch is settled when it carries the same number. The number of an origin is the version
that last brought something from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from everfit.errors import EverfitError
from everfit.lake.records import Batch, Change, Landed
from everfit.lake.state import FROM, State
from everfit.lake.table import Table
from everfit.reserved import REASON, ROW
from everfit.sources.parquet import stream
from everfit.sources.types import STRING

EARLIER = "did not pass when the batch first landed"


@dataclass(frozen=True)
class Landing:
    """One attempt to land a staged batch. `staged` stays open, as others who land it may remove the file."""

    batch: Batch
    staged: BinaryIO
    batches: Table
    quarantine: Table
    reasons: Mapping[int, str]
    refused: str
    replace_origin: bool

    def run(self) -> Landed:
        """Land or refuse it; the same call again changes nothing."""
        if self.refused:
            return self._refuse()
        state, new = self.batches.commit(self._schema, self._accept)
        self._settle(state)
        return outcome(self.batch, state, self.quarantine.state(), new=new)

    @property
    def _schema(self) -> pa.Schema:
        return pq.read_schema(self.staged)

    def _accept(self, state: State) -> Change | None:
        digest = self.batch.digest
        if is_live(state, digest):
            return None
        before = live_before(state, self.batch)
        old = before if self.replace_origin else frozenset[str]()
        facts = {
            "batch": digest,
            "origin": self.batch.origin,
            "rows": self.batch.rows,
            "good": self.batch.rows - len(self.reasons),
            "replaced": sorted(old),
            "of_origin": sorted({digest, *before} - old),
        }
        marks = {name: state.mark(name) + 1 for name in (digest, *old)}
        marks[FROM + self.batch.origin] = state.version + 1
        whole = None if self.reasons else self.staged
        return Change(digest, self._schema, self._good_rows, whole, old, marks, facts)

    def _settle(self, batches: State) -> None:
        """Put every row that is not in the table into quarantine, unless somebody has."""
        digest, mark = self.batch.digest, batches.mark(self.batch.digest)

        def decide(state: State) -> Change | None:
            if state.mark(digest) == mark:
                return None
            good = batches.dataset([digest]).to_table(columns=[ROW])[ROW].to_numpy()
            rest = partial(self._rest, self._positions(good), EARLIER) if len(good) < self.batch.rows else None
            return Change(digest, self._with_reason, rest, drop=frozenset({digest}), marks={digest: mark})

        self.quarantine.commit(self._with_reason, decide)

    def _refuse(self) -> Landed:
        """Put the whole batch into quarantine. It has not landed, so it may be tried again."""
        digest, batches = self.batch.digest, self.batches.state()
        if batches is not None and is_live(batches, digest):
            return outcome(self.batch, batches, self.quarantine.state(), new=False)
        mark = batches.mark(digest) if batches else 0
        seen_before: list[bool] = []

        def decide(state: State) -> Change | None:
            seen_before.append(digest in state.counts)
            if state.mark(digest) > mark:
                return None
            facts = {"batch": digest, "origin": self.batch.origin, "rows": self.batch.rows, "refused": self.refused}
            everything = partial(self._rest, self._positions([]), self.refused)
            drop = frozenset({digest})
            return Change(digest, self._with_reason, everything, drop=drop, marks={digest: mark}, facts=facts)

        state, _ = self.quarantine.commit(self._with_reason, decide)
        if state.mark(digest) > mark:  # it has just landed elsewhere
            return outcome(self.batch, self.batches.state(), state, new=False)
        landed = outcome(self.batch, batches, state, new=not seen_before[0])
        return replace(landed, refused=self.refused)

    @property
    def _with_reason(self) -> pa.Schema:
        return self._schema.append(pa.field(REASON, STRING))

    def _positions(self, listed: Any) -> Any:
        """Return a mask over the rows of the batch that is true at the listed positions."""
        mask = np.zeros(self.batch.rows, dtype=bool)
        mask[np.asarray(listed, dtype="int64")] = True
        return mask

    def _good_rows(self) -> Iterator[pa.RecordBatch]:
        broken = self._positions(list(self.reasons))
        for part in self._parts():
            yield part.filter(pa.array(~broken[part.column(ROW).to_numpy()]))

    def _rest(self, good: Any, otherwise: str) -> Iterator[pa.RecordBatch]:
        for part in self._parts():
            rest = part.filter(pa.array(~good[part.column(ROW).to_numpy()]))
            reasons = [self.reasons.get(row, otherwise) for row in rest.column(ROW).to_pylist()]
            yield rest.append_column(REASON, pa.array(reasons, STRING))

    def _parts(self) -> Iterator[pa.RecordBatch]:
        self.staged.seek(0)
        yield from stream(pq.ParquetFile(self.staged))


def hand_over(batches: Table, batch: Batch, own: Collection[str]) -> None:
    """Let a place have what is in the table and came from elsewhere, so that its next content replaces that.

    Nothing changes when it has it already, or when one of the places in `own` has: that one may still hold it.
    """

    def decide(state: State) -> Change | None:
        digest, before = batch.digest, live_before(state, batch)
        if not is_live(state, digest) or before == {digest} or state.origin_of(digest) in own:
            return None
        old = before - {digest}
        facts = {"handed_over": digest, "origin": batch.origin, "replaced": sorted(old), "of_origin": [digest]}
        marks = {FROM + batch.origin: state.version + 1} | {name: state.mark(name) + 1 for name in old}
        return Change(digest, pa.schema([]), None, drop=old, marks=marks, facts=facts)

    batches.commit(pa.schema([]), decide)


def outcome(batch: Batch, batches: State | None, quarantine: State | None, *, new: bool) -> Landed:
    """Count what was really written, and insist that no row was lost or doubled."""
    good = batches.counts.get(batch.digest, 0) if batches else 0
    quarantined = quarantine.counts.get(batch.digest, 0) if quarantine else 0
    if good + quarantined != batch.rows:
        raise EverfitError(
            f"Batch {batch.digest[:12]} of {batch.model} came with {batch.rows} rows, and the lake holds {good} good "
            f"and {quarantined} quarantined ones.",
            why="This must never happen.",
            do="Keep the lake as it is and report it.",
        )
    return Landed(batch, good, quarantined, "", batches.version if batches else 0, new)


def is_live(state: State, digest: str) -> bool:
    """Whether a batch is part of the table, with rows or without."""
    return state.mark(digest) % 2 == 1


def live_before(state: State, batch: Batch) -> frozenset[str]:
    """Return the live batches of a batch's place, and of places in it where the batch is all that it holds."""
    inside = state.from_inside(batch.origin) if batch.whole else ()
    return live_from(state, batch.origin).union(digest for digest in inside if is_live(state, digest))


def live_from(state: State, origin: str) -> frozenset[str]:
    """Return the live batches that came from one place; its last commit names them."""
    last = state.mark(FROM + origin)
    came = state.facts(last)["of_origin"] if last else []
    return frozenset(digest for digest in came if is_live(state, digest))
