"""The lake: what came in, what of it is good, and what was said about it. Versioned, exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from everfit.errors import DataError, EverfitError, InputError
from everfit.lake import labels, said
from everfit.lake.columns import BATCH, ROW
from everfit.lake.landing import REASON, Landing, is_live, live_from, outcome
from everfit.lake.records import Batch, Landed, LandedBatch, Snapshot
from everfit.lake.staging import stage
from everfit.lake.state import State
from everfit.lake.table import Table
from everfit.schema import kind_of
from everfit.settings import Settings
from everfit.sources import Source
from everfit.sources.types import BOOL, DOUBLE, MOMENT, STRING

TYPES = {"boolean": BOOL, "number": DOUBLE, "string": STRING, "timestamp": MOMENT}


class Lake:
    """The Delta tables of all models: batches, quarantine, predictions and labels of each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def stage(self, model: str, source: Source) -> Batch:
        """Stream a source into one local file; raise SourceError, Unavailable or InputError, and leave nothing then."""
        state = self._table(model, "batches").state()
        return stage(model, source, self._settings.folder("incoming", model), state.schema if state else None)

    def discard(self, batch: Batch) -> None:
        """Remove a staged file that is not to land, or has landed already; what has landed stays readable."""
        batch.path.unlink(missing_ok=True)

    def known(self, model: str, digest: str) -> bool:
        """Whether a batch of this content has landed, its quarantine included. A refused one has not."""
        batches, quarantine = self._table(model, "batches").state(), self._table(model, "quarantine").state()
        if batches is None or quarantine is None:
            return False
        return is_live(batches, digest) and quarantine.mark(digest) == batches.mark(digest)

    def land(
        self,
        batch: Batch,
        broken: Mapping[int, str] | pd.DataFrame,
        *,
        refused: str = "",
        replace_origin: bool = False,
    ) -> Landed:
        """Land a staged batch exactly once, however often and by however many this is called.

        `broken` gives a reason for each row position that may not be learnt from (or is a frame with _row and
        _reason). `refused` sends the whole batch to quarantine; it may come again. `replace_origin` makes the batch a
        correction: what came from the same origin leaves the table in the same commit; older versions keep it.
        """
        reasons = _reasons(batch, broken)
        batches, quarantine = self._table(batch.model, "batches"), self._table(batch.model, "quarantine")
        try:
            staged = batch.path.open("rb")
        except FileNotFoundError as cause:
            if self.known(batch.model, batch.digest):
                return outcome(batch, batches.state(), quarantine.state(), new=False)
            raise _gone(batch) from cause
        with staged:
            landed = Landing(batch, staged, batches, quarantine, reasons, refused, replace_origin).run()
        batch.path.unlink(missing_ok=True)
        return landed

    def snapshot(self, model: str, version: int | None = None) -> Snapshot:
        """Name the rows that are in the table now, or were at a version, and the labels that came alone by now.

        Raise DataError when there are no rows.
        """
        table = self._table(model, "batches")
        state = table.state(version)
        counts = state.counts if state else {}
        if state is None or not counts:
            raise DataError(f"Nothing has landed for '{model}' yet.", do=f"everfit train {model} brings its data in.")
        known = self._table(model, "labels").state()
        said = (known.version, digest_of(known.counts)) if known and known.counts else (None, "")
        return Snapshot(model, table.uri, state.version, digest_of(counts), sum(counts.values()), tuple(counts), *said)

    def read(self, what: Batch | Landed | Snapshot, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """Return rows as a frame, in their order.

        A Batch: all rows that were received, with _row, before and after landing. A Landed: its good rows, with _row.
        A Snapshot: its rows, with _batch and _row, ordered by both; raise DataError when they are not those that the
        snapshot names.
        """
        wanted = None if columns is None else list(columns)
        if isinstance(what, Snapshot):
            return self._read_snapshot(what, wanted)
        if isinstance(what, Landed):
            state = self._table(what.batch.model, "batches").state(what.version)
            return _frame(_part(what.batch, state, wanted))
        try:
            return _frame(pq.read_table(what.path, columns=None if wanted is None else [*wanted, ROW]))
        except FileNotFoundError:
            return self._read_received(what, wanted)

    def since(self, learnt: Snapshot, *, target: str, but: str = "") -> pd.DataFrame:
        """Return the rows that a snapshot's reader could not learn from, less one batch, with _batch and _row.

        Those are the rows of batches that landed later, and the rows that had no target when they landed.
        """
        state = self._table(learnt.model, "batches").state()
        if state is None:
            return pd.DataFrame()
        new = [digest for digest in state.counts if digest not in (*learnt.batches, but)]
        old = [digest for digest in state.counts if digest in learnt.batches and digest != but]
        blank = pads.field(target).is_null() if target in state.schema.names else None
        parts = [state.dataset(new).to_table(), state.dataset(old).to_table(filter=blank)]
        return _frame(pa.concat_tables(parts))

    def former(self, batch: Batch) -> pd.DataFrame:
        """Return the rows that came from the same place before and that this batch would replace; or no rows."""
        state = self._table(batch.model, "batches").state()
        old = live_from(state, batch.origin) - {batch.digest} if state else None
        return _frame(state.dataset(old).to_table()) if state and old else pd.DataFrame()

    def replaced(self, learnt: Snapshot) -> pd.DataFrame:
        """Return the rows of a snapshot whose batches were replaced since, by a correction or by more of the same."""
        now, then = self._table(learnt.model, "batches").state(), Table(learnt.uri).state(learnt.version)
        gone = set(learnt.batches).difference(now.counts if now else ())
        return _frame(then.dataset(gone).to_table()) if then and gone else pd.DataFrame()

    def known_rows(self, model: str, names: Iterable[str]) -> pd.DataFrame:
        """Return some columns of every row that has landed; those that no batch had are left out."""
        state = self._table(model, "batches").state()
        held = [name for name in names if state and name in state.schema.names]
        return _frame(state.dataset().to_table(columns=held)) if state and held else pd.DataFrame()

    def batches(self, model: str) -> list[LandedBatch]:
        """Return every landing, oldest first; a batch that was replaced and came back is there twice."""
        state = self._table(model, "batches").state()
        entries = [entry for entry in state.history() if "origin" in entry] if state else []
        last = {entry["batch"]: entry["version"] for entry in entries}
        return [
            LandedBatch(
                digest=entry["batch"],
                origin=entry["origin"],
                rows=entry["rows"],
                good=entry["good"],
                quarantined=entry["rows"] - entry["good"],
                version=entry["version"],
                at=datetime.fromtimestamp(entry["at"] / 1000, UTC),
                live=state is not None and is_live(state, entry["batch"]) and last[entry["batch"]] == entry["version"],
            )
            for entry in entries
        ]

    def quarantine(self, model: str, rows: int = 100_000) -> pd.DataFrame:
        """Return rows that did not land, with _batch, _row and _reason; at most `rows` of them."""
        state = self._table(model, "quarantine").state()
        if state is None:
            return pd.DataFrame(columns=[BATCH, REASON, ROW])
        return said.in_order(state.dataset().head(rows))

    def record_predictions(self, model: str, frame: pd.DataFrame, *, version: int, batch_digest: str) -> bool:
        """Keep what a version said about a batch, once; whether this call did. Without _row, rows are numbered."""
        return said.record_predictions(
            self._table(model, "predictions"), frame, version=version, batch_digest=batch_digest
        )

    def predictions(self, model: str, *, version: int | None = None, batch_digest: str | None = None) -> pd.DataFrame:
        """Return what was predicted, with _batch, _row, _version and _at."""
        return said.predictions(self._table(model, "predictions"), version=version, batch_digest=batch_digest)

    def record_labels(self, model: str, said: pd.DataFrame, origin: str) -> int:
        """Keep what `labels.read` found at one place; return how many labels that changes. The later word wins."""
        return labels.record(self._table(model, "labels"), said, origin)

    def labels(self, of: str | Snapshot, *, history: bool = False) -> pd.DataFrame:
        """Return the latest label of every id, those that a snapshot names, or with `history` all that ever came.

        Raise DataError when they are not those that the snapshot names.
        """
        if isinstance(of, str):
            return labels.latest(self._table(of, "labels").state(), history=history)
        if of.labels_version is None:
            return labels.latest(None)
        table = self._table(of.model, "labels")
        state = table.state(of.labels_version)
        if state is None or digest_of(state.counts) != of.labels_digest:
            raise _altered(table.uri, of.labels_version, of.labels_digest, "its digest is another one")
        return labels.latest(state, history=history)

    def _table(self, model: str, name: str) -> Table:
        return Table(f"{self._settings.lake_uri.rstrip('/')}/{model}/{name}")

    def _read_snapshot(self, snapshot: Snapshot, columns: list[str] | None) -> pd.DataFrame:
        state = Table(snapshot.uri).state(snapshot.version)
        counts, recorded = state.counts if state else {}, f"{snapshot.rows} rows and {snapshot.digest}"
        if state is None or digest_of(counts) != snapshot.digest:
            raise _altered(snapshot.uri, snapshot.version, recorded, f"its digest is {digest_of(counts)}")
        names = [*(columns or (n for n in state.schema.names if n not in (BATCH, ROW))), BATCH, ROW]
        frame = _frame(state.dataset().to_table(columns=names))
        if len(frame) != snapshot.rows:
            raise _altered(snapshot.uri, snapshot.version, recorded, f"it holds {len(frame)} rows")
        return frame

    def _read_received(self, batch: Batch, columns: list[str] | None) -> pd.DataFrame:
        """Put a batch together again from its good and its quarantined rows."""
        tables = (self._table(batch.model, name).state() for name in ("batches", "quarantine"))
        parts = [_part(batch, state, columns) for state in tables if state is not None]
        if sum(map(len, parts)) != batch.rows:
            raise _gone(batch)
        return _frame(pa.concat_tables(parts, promote_options="permissive").sort_by(ROW))


def digest_of(counts: Mapping[str, int]) -> str:
    """Name a set of rows: 32 hex digits over each batch's digest and how many of its rows are in."""
    text = "\n".join(f"{digest} {rows}" for digest, rows in sorted(counts.items()))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _part(batch: Batch, state: State | None, columns: list[str] | None) -> pa.Table:
    """Return one batch's rows in one table, in the kinds that the batch had."""
    if state is None:
        raise _gone(batch)
    kinds = batch.schema.to_dict()
    names = [*(columns or kinds), ROW]
    spelt = {name.lower(): name for name in state.schema.names}
    table = state.dataset([batch.digest]).to_table(columns=[spelt[name.lower()] for name in names])
    table = table.rename_columns(names)
    fields = [
        c if kinds.get(c.name, kind_of(c)) == kind_of(c) else c.with_type(TYPES[kinds[c.name]]) for c in table.schema
    ]
    return table.cast(pa.schema(fields), safe=False)


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a frame, freeing the table on the way; a column without any value is one of missing numbers."""
    schema = pa.schema([c.with_type(DOUBLE) if pa.types.is_null(c.type) else c for c in table.schema])
    table = table.cast(schema)
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def _reasons(batch: Batch, broken: Mapping[int, str] | pd.DataFrame) -> dict[int, str]:
    pairs = zip(broken[ROW], broken[REASON], strict=True) if isinstance(broken, pd.DataFrame) else broken.items()
    reasons = {int(row): str(reason) for row, reason in pairs}
    if outside := [row for row in reasons if not 0 <= row < batch.rows]:
        raise EverfitError(
            f"Batch {batch.digest[:12]} has {batch.rows} rows; there is no row {outside[0]} to quarantine."
        )
    return reasons


def _gone(batch: Batch) -> InputError:
    return InputError(
        f"Batch {batch.digest[:12]} of {batch.model} is neither staged nor landed any more.",
        do=f"Ingest {batch.origin} again.",
    )


def _altered(uri: str, version: int, recorded: str, found: str) -> DataError:
    return DataError(
        f"Version {version} of the table {uri} is not what was recorded: {found}, recorded are {recorded}.",
        why="A model that says it was trained on these rows can no longer be repeated.",
        do="Restore the lake from a backup.",
    )
