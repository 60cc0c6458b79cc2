"""One pass over all rows: scored in pieces, put beside their rows in their order, written, and kept for the monitor."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from everfit import registry
from everfit.errors import InputError, ValidationStopped
from everfit.lake import Batch, Lake
from everfit.lake.columns import conform, merge
from everfit.personal import Personal
from everfit.reserved import ANSWER, BATCH, ROW
from everfit.scoring.answers import WHY, fields_of
from everfit.scoring.crew import work_off
from everfit.scoring.job import Job
from everfit.scoring.outputs import DeltaTable, File
from everfit.scoring.pieces import Piece, pieces_of
from everfit.settings import Settings
from everfit.sources.types import STRING
from everfit.spec import ModelSpec

SHOWN = 10
ENOUGH = 4  # pieces for each process, whose start costs as much as two or three


@dataclass(frozen=True)
class Progress:
    """How far a run is. `resumed` rows were scored by an earlier one."""

    done: int
    rows: int
    resumed: int
    seconds: float

    def __str__(self) -> str:
        told = f"{self.done:,} of {self.rows:,} rows"
        if self.done == self.resumed:
            return told
        pace = (self.done - self.resumed) / max(self.seconds, 0.001)
        left = f", {(self.rows - self.done) / pace:,.0f} s left" if self.done < self.rows else ""
        return f"{told}, {pace:,.0f} a second{left}"


class Run:
    """The rows of some batches, and what a version says of them.

    `unread` counts rows without an answer, and `examples` say of the first ones why. Raise InputError when an input
    has a column that answers are named like, and that the version does not read.
    """

    def __init__(self, spec: ModelSpec, settings: Settings, loaded: registry.Loaded, batches: Sequence[Batch]) -> None:
        self._spec, self._settings, self._loaded = spec, settings, loaded
        self._personal = Personal.of(spec, settings)
        self.batches, self.pieces, self.fields = batches, pieces_of(batches), fields_of(loaded)
        self.rows = sum(batch.rows for batch in batches)
        self.unread, self.examples = 0, list[str]()
        self.columns = self._columns()

    def _columns(self) -> pa.Schema:
        """Return the columns of all batches, in types that hold the values of each."""
        whole = pa.schema([])
        for batch in self.batches:
            schema = pq.read_schema(batch.path)
            theirs = {name.lower() for name in schema.names if name not in self._loaded.card["inputs"]}
            if taken := [name for name in self.fields.names if name.lower() in theirs]:
                raise InputError(f"{batch.origin} has a column '{taken[0]}' already.", do="Drop it, or rename it.")
            whole = merge(whole, schema)
        return pa.schema([column for column in whole if column.name not in (BATCH, ROW)])

    def write(
        self,
        output: File | DeltaTable,
        job: Job,
        todo: Sequence[Piece],
        *,
        workers: int,
        tell: Callable[[Progress], None],
        then: Callable[[], None],
    ) -> None:
        """Score what is `todo` of the job, write all of it, keep it, and do what comes `then`; the output appears last.

        Whoever is ended before does the same again without harm. Raise ValidationStopped once too many rows cannot be
        read. `workers` 0 is as many as there are cores and work for.
        """

        def end() -> None:
            self._keep(job)
            then()

        with closing(self._made(job, todo, workers, tell)) as made:  # processes end with whatever ends the writing
            output.write(self._beside(made), job.id, then=end)

    def _beside(self, made: Iterable[tuple[Piece, pa.Table]]) -> pa.RecordBatchReader:
        """Stream all rows with their answers, as these are made."""
        whole = beside(self.columns, self.fields)

        def rows() -> Iterator[pa.RecordBatch]:
            for piece, answers in made:
                came = conform(_batch(piece.read()), self.columns)
                yield pa.record_batch([*came.columns, *_batch(answers).columns], whole)

        return pa.RecordBatchReader.from_batches(whole, rows())

    def _made(
        self, job: Job, missing: Sequence[Piece], workers: int, tell: Callable[[Progress], None]
    ) -> Generator[tuple[Piece, pa.Table], None, None]:
        """Yield the answers to each piece, in the order of the rows; those that are missing are made."""
        todo = {piece: job.part(piece) for piece in missing}
        resumed, began, done = self.rows - sum(piece.rows for piece in todo), monotonic(), 0
        self.unread, self.examples = 0, []
        workers = min(workers or self._worthwhile(len(todo)), len(todo))
        making = work_off(self._settings, self._loaded, list(todo.items()), workers, self._personal.columns)
        with closing(making):
            for piece in self.pieces:
                if piece in todo:
                    next(making)
                answers = pq.read_table(job.part(piece))
                self._count(piece, answers)
                done += piece.rows
                tell(Progress(done, self.rows, min(done, resumed), monotonic() - began))
                yield piece, answers

    def _worthwhile(self, pieces: int) -> int:
        return max(1, min(len(os.sched_getaffinity(0)), pieces // ENOUGH))

    def _count(self, piece: Piece, answers: pa.Table) -> None:
        why = answers[WHY]
        if why.null_count == len(why):
            return
        self.unread += len(why) - why.null_count
        for at, text in enumerate(why.to_pylist()):
            if text and len(self.examples) < SHOWN:
                self.examples.append(f"row {piece.start + at:,}: {text}")
        if self.unread > self._spec.predict.max_unread * self.rows:
            raise ValidationStopped(
                f"{self._spec.name}: {self.unread:,} of {self.rows:,} rows have values that cannot be read, so far.",
                details=self.examples,
                why=f"That is more than {self._spec.predict.max_unread:.1%}; nothing was written.",
                do="Repair the source, or say more in predict.max_unread of the model file.",
            )

    def _keep(self, job: Job) -> None:
        """Keep what was said in the lake, once for each batch, by what a label will find it by; people as hashes."""
        lake = Lake(self._settings)
        for batch in self.batches:
            schema = pq.read_schema(batch.path)
            known = dict.fromkeys((*self._spec.data.ids, self._spec.data.time))
            found = self._personal.names([name for name in known if name and name in schema.names])
            hashed = self._personal.columns
            types = [(name, STRING if name in hashed else schema.field(name).type) for name in (*found, ROW)]
            said = [column for column in self.fields if column.name != WHY]
            kept = pa.schema([*types[:-1], *said, types[-1]])
            rows = partial(self._said, batch, job, kept)
            lake.record_rows(self._spec.name, kept, rows, version=self._loaded.version, digest=batch.digest)

    def _said(self, batch: Batch, job: Job, kept: pa.Schema) -> Iterator[pa.RecordBatch]:
        for piece in self.pieces:
            if piece.path != batch.path:
                continue
            answers, rows = pq.read_table(job.part(piece)), self._personal.table(piece.read(kept.names))
            both = {name: answers[name] if name in self.fields.names else rows[name] for name in kept.names}
            table = pa.table(list(both.values()), schema=kept)
            yield _batch(table.filter(pc.is_valid(table[ANSWER])))


def beside(columns: pa.Schema, answers: pa.Schema) -> pa.Schema:
    """Return the columns of rows with those of answers behind them; of equal names that of the rows gives way.

    Delta Lake does not tell capitals apart.

    >>> beside(pa.schema([("Unanswered", STRING), ("calls", STRING)]), pa.schema([("unanswered", STRING)])).names
    ['Unanswered_', 'calls', 'unanswered']
    """
    taken, given = {name.lower() for name in answers.names}, []
    for column in columns:
        name = column.name
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        given.append(column.with_name(name))
    return pa.schema([*given, *answers])


def _batch(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=table.schema)
