"""The lake: what came in, what of it is good, and what was said about it. Versioned, exactly once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa

from everfit.errors import DataError, EverfitError
from everfit.lake import answers, labels, predictions, reading, seen
from everfit.lake.landing import Landing, hand_over, is_live, outcome
from everfit.lake.live import Live
from everfit.lake.records import Batch, Landed, LandedBatch, Snapshot, digest_of
from everfit.lake.staging import discard, stage
from everfit.lake.table import Table
from everfit.reserved import BATCH, ID, ORDER, PREDICTION_ID, REASON, ROW
from everfit.settings import Settings
from everfit.sources import Source
from everfit.spec import Data


class Lake:
    """The Delta tables of all models: batches, quarantine, predictions and labels of each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def stage(self, model: str, source: Source, *, apart: bool = False) -> Batch:
        """Stream a source into one local file; raise SourceError, Unavailable or InputError, and leave nothing then.

        Whoever stages the same content shares the file, unless it is staged `apart`: for whoever will discard it.
        """
        state = self._table(model, "batches").state()
        folder = self._settings.folder("incoming", model)
        return stage(model, source, folder, state.schema if state else None, apart=apart)

    def recall(self, model: str, origin: str, stamp: str) -> Batch | None:
        """Return the landed batch that a file holds while its stamp is this one; None when it must be read."""
        notes, incoming = (self._settings.folder(name, model) for name in ("seen", "incoming"))
        batch = seen.recall(notes, incoming, model, origin, stamp)
        return batch if batch and self.known(model, batch.digest) else None

    def remember(self, batch: Batch, stamp: str) -> None:
        """Let `recall` return a batch that has landed. The stamp is that of its file before it was read."""
        seen.remember(self._settings.folder("seen", batch.model), batch, stamp)

    def discard(self, batch: Batch) -> None:
        """Remove a staged file that is not to land, or has landed already; what has landed stays readable."""
        discard(batch.path)

    def known(self, model: str, digest: str) -> bool:
        """Whether a batch of this content has landed, its quarantine included. A refused one has not."""
        batches, quarantine = self._table(model, "batches").state(), self._table(model, "quarantine").state()
        if batches is None or quarantine is None:
            return False
        return is_live(batches, digest) and quarantine.mark(digest) == batches.mark(digest)

    def empty(self, model: str) -> bool:
        """Whether there is no row to learn from."""
        state = self._table(model, "batches").state()
        return state is None or not state.counts

    def landing_of(self, batch: Batch) -> str:
        """Name the latest landing of a batch: one that was replaced and came back has landed more than once."""
        state = self._table(batch.model, "batches").state()
        count = (state.mark(batch.digest) + 1) // 2 if state else 0
        return batch.digest if count < 2 else f"{batch.digest}-{count}"

    def broken(self, batch: Batch) -> dict[int, str]:
        """Return why rows of a batch that has landed did not pass, by their position."""
        return reading.reasons_of(self._table(batch.model, "quarantine").state(), batch.digest)

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
            raise reading.gone(batch) from cause
        with staged:
            landed = Landing(batch, staged, batches, quarantine, reasons, refused, replace_origin).run()
        discard(batch.path)
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
            return reading.of_snapshot(what, wanted)
        if isinstance(what, Landed):
            return reading.of_landed(what, self._table(what.batch.model, "batches"), wanted)
        return reading.of_batch(what, [self._table(what.model, name) for name in ("batches", "quarantine")], wanted)

    def since(self, learnt: Snapshot, *, target: str, but: str = "") -> pd.DataFrame:
        """Return the rows that a snapshot's reader could not learn from, less one batch, with _batch and _row.

        Those are the rows of batches that landed later, and the rows that had no target when they landed.
        """
        return reading.since(self._table(learnt.model, "batches").state(), learnt, target=target, but=but)

    def hand_over(self, batch: Batch, own: Collection[str]) -> None:
        """Let a batch that has landed belong to the place that it comes from now, unless one of `own` places has it."""
        hand_over(self._table(batch.model, "batches"), batch, own)

    def former(self, batch: Batch) -> pd.DataFrame:
        """Return the rows that came from the same place before this batch; or no rows.

        Before it lands those that are in the table now, and once it has landed those that were there then, so that
        a batch that is judged twice is compared with the same rows.
        """
        return reading.former(self._table(batch.model, "batches"), batch)

    def replaced(self, learnt: Snapshot) -> pd.DataFrame:
        """Return the rows of a snapshot whose batches were replaced since, by a correction or by more of the same."""
        return reading.replaced(self._table(learnt.model, "batches").state(), learnt)

    def known_rows(self, model: str, names: Iterable[str]) -> pd.DataFrame:
        """Return some columns of every row that has landed; those that no batch had are left out."""
        return reading.columns_of(self._table(model, "batches").state(), names)

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
        return predictions.in_order(state.dataset().head(rows))

    def quarantined(self, model: str) -> pd.Series:
        """Return the ids of the answers whose rows did not land."""
        held = reading.columns_of(self._table(model, "quarantine").state(), [ID])
        return held[ID].dropna() if ID in held else pd.Series(dtype="str")

    def record_rows(
        self, model: str, schema: pa.Schema, rows: Callable[[], Iterable[pa.RecordBatch]], *, version: int, digest: str
    ) -> bool:
        """Keep what a version said about a batch, once; whether this call did. The rows need not fit into memory."""
        table = self._table(model, "predictions")
        return predictions.record_rows(table, schema, rows, version=version, batch_digest=digest)

    def predictions(
        self,
        model: str,
        *,
        version: int | None = None,
        batch_digest: str | None = None,
        since: datetime | None = None,
    ) -> pd.DataFrame:
        """Return what was predicted, with _batch, _row, _version and _at; with `since`, what was kept from then on."""
        table = self._table(model, "predictions")
        return predictions.read(table, version=version, batch_digest=batch_digest, since=since)

    def record_shadow(self, model: str, frame: pd.DataFrame, *, version: int, batch_digest: str) -> bool:
        """Keep what a challenger would have said: in a table of its own, as nobody was given these answers."""
        return predictions.record(self._table(model, "shadow"), frame, version=version, batch_digest=batch_digest)

    def shadow(self, model: str, version: int | None = None) -> pd.DataFrame:
        """Return what challengers would have said, with _batch, _row, _version and _at."""
        return predictions.read(self._table(model, "shadow"), version=version)

    def types(self, model: str) -> pa.Schema:
        """Return the columns that a model's data have by now, in their types; none when nothing has landed."""
        state = self._table(model, "batches").state()
        return state.schema if state else pa.schema([])

    def record_answers(self, model: str, parts: Sequence[answers.Part]) -> bool:
        """Keep what a service answered, each part of a writer once; whether anything of it is new."""
        table = self._table(model, "predictions")
        new = answers.record(table, parts)
        if answers.tidy(table):
            table.sweep()
        return new

    def close_period(self, model: str, *, fewest: int, before: datetime) -> bool:
        """Make one batch of the answers since the last, if they are `fewest` or one is from `before`; whether so."""
        table = self._table(model, "predictions")
        closed = answers.close(table, fewest=fewest, before=before)
        if closed:
            table.sweep()
        return closed

    def answered(self, model: str) -> bool:
        """Whether a service has ever answered for a model."""
        state = self._table(model, "predictions").state()
        return state is not None and PREDICTION_ID in state.schema.names

    def live(self, model: str, data: Data) -> list[Live]:
        """Return what a service was asked, oldest first: each closed period as a source of rows."""
        state, known = self._table(model, "predictions").state(), self.types(model)
        return [Live(state, name, known, data) for name in answers.periods(state)] if state else []

    def answers(
        self, model: str, data: Data, *, version: int | None = None, known: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Return what was said, by rows' ids, times and the ids of answers, less the fields that were asked with.

        With `known` labels it is what they are about, however much else was said.
        """
        wanted = None if known is None else lambda rows: labels.matches(rows, known, data) >= 0
        names = [*data.ids, data.time]
        return predictions.said(self._table(model, "predictions"), names, version=version, wanted=wanted)

    def answers_in_parts(
        self, model: str, data: Data, *, versions: Sequence[int], since: datetime
    ) -> Iterator[pd.DataFrame]:
        """Yield, some at a time, what `answers` returns of these versions and what was kept since then."""
        table = self._table(model, "predictions")
        return predictions.in_parts(table, [*data.ids, data.time], versions=versions, since=since)

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
            raise reading.altered(table.uri, of.labels_version, of.labels_digest, "its digest is another one")
        return labels.latest(state, history=history)

    def news(self, model: str, data: Data, *, after: int) -> pd.DataFrame:
        """Return the labels that came after a version and say what neither an earlier one nor their row had said."""
        every = self.labels(model, history=True)
        known, earlier = labels.last_words(every), every[every[ORDER] <= after]
        fresh = known.loc[known[ORDER] > after].reset_index(drop=True)
        if fresh.empty:
            return fresh
        had = labels.had(fresh, self.known_rows(model, labels.names_of(data)), earlier, data)
        news: pd.DataFrame = fresh[fresh[data.target].to_numpy(dtype=object) != had]
        return news.reset_index(drop=True)

    def _table(self, model: str, name: str) -> Table:
        uri = f"{self._settings.lake_uri.rstrip('/')}/{model}/{name}"
        return Table(uri, forever=name != "predictions")


def _reasons(batch: Batch, broken: Mapping[int, str] | pd.DataFrame) -> dict[int, str]:
    pairs = zip(broken[ROW], broken[REASON], strict=True) if isinstance(broken, pd.DataFrame) else broken.items()
    reasons = {int(row): str(reason) for row, reason in pairs}
    if outside := [row for row in reasons if not 0 <= row < batch.rows]:
        raise EverfitError(
            f"Batch {batch.digest[:12]} has {batch.rows} rows; there is no row {outside[0]} to quarantine."
        )
    return reasons
