"""Score rows with the champion, and keep what was said."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from everfit import registry, scoring
from everfit.errors import InputError, ValidationStopped
from everfit.lake import Batch, digest_of
from everfit.ledger import Ledger
from everfit.schema import Change, Schema, judge_changes
from everfit.scoring import job as jobs
from everfit.settings import Settings
from everfit.sources.files import covers
from everfit.spec import ModelSpec, SqlSource
from tasks.artifacts import Progress
from tasks.champion import load_champion
from tasks.ingest import staged
from tasks.steps import say, step

PAUSE = 10.0  # seconds between two lines of the log


@dataclass(frozen=True)
class Wanted:
    """What is to be scored, where it goes, and when that was due. `again` is false for what one run does for all."""

    source: str | SqlSource
    output: str
    due: datetime
    overwrite: bool = False
    workers: int = 0
    again: bool = True


@dataclass(frozen=True)
class Scored:
    """What was predicted, by which version, and where it went. `done_before` when an earlier run had done it."""

    model: str
    version: int
    rows: int
    output: str
    warnings: tuple[str, ...]
    unread: int = 0
    done_before: bool = False

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        if self.done_before:
            return f"these {self.rows:,} rows were predicted by {self.model} v{self.version} before, in {self.output}"
        return f"{self.rows:,} rows predicted by {self.model} v{self.version}, in {self.output}"

    def to_dict(self, seconds: dict[str, float]) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {**asdict(self), "seconds": seconds}


def wanted(
    spec: ModelSpec, source: str | SqlSource, output: str, due: datetime | None, overwrite: bool, workers: int
) -> Wanted:
    """Return what was asked for, or what the model file says where nothing was; raise InputError for neither.

    What the file says is done once for the same rows and version, and takes the place of what it wrote before.
    """
    due, by_file = due or datetime.now(UTC), not source and not output
    if not (source or spec.predict.input) or not (output or spec.predict.output):
        raise InputError(
            f"{spec.name}: nothing says which rows are to be scored, or where the predictions go.",
            do="Give --input and --output, or say predict: {input: ..., output: ...} in the model file.",
        )
    return Wanted(
        source or spec.predict.input or "",
        output or spec.predict.output,
        due,
        overwrite or by_file,
        workers,
        not by_file,
    )


@step
def predict(spec: ModelSpec, wanted: Wanted) -> Scored:
    """Write the input's rows, in their order, with the prediction beside them; the output is whole or not there.

    A run that was ended is gone on with by the next one with the same rows, champion and output. The champion is the
    one of the beginning. Raise InputError without a champion or with an output that cannot be written, and
    ValidationStopped when the columns changed in a way that the model file blocks, or too many rows cannot be read.
    """
    settings = Settings()
    output, ledger = _free(spec, settings, wanted), Ledger.of(settings)
    champion = load_champion(spec, settings, registry.require_champion(ledger, spec.name))
    with staged(spec, wanted.source) as batches:
        subject = "" if wanted.again else _subject(wanted.output, champion.version, batches)
        if subject and output.is_there() and ledger.entries(spec.name, kinds=["predicted"], subject=subject):
            rows = sum(batch.rows for batch in batches)
            return _told(Scored(spec.name, champion.version, rows, output.shown, (), done_before=True))
        scored = _score(spec, settings, wanted, champion, batches, output, subject)
    if (now := ledger.champion(spec.name)) != scored.version:
        told = f"v{scored.version} was champion when this began, and answered all rows; v{now} is by now"
        say(told, level=logging.WARNING)
    return _told(scored)


def _score(
    spec: ModelSpec,
    settings: Settings,
    wanted: Wanted,
    champion: registry.Loaded,
    batches: Sequence[Batch],
    output: scoring.File | scoring.DeltaTable,
    subject: str,
) -> Scored:
    warnings = [text for batch in batches for text in _check_columns(spec, champion, batch)]
    run, same = scoring.Run(spec, settings, champion, batches), jobs.identity(champion.version, batches)
    tell = _Teller(spec.name)
    with jobs.opened(settings, spec.name, output.address, same) as job:

        def note() -> None:
            facts = {"rows": run.rows, "version": champion.version, "output": output.shown, "unread": run.unread}
            Ledger.of(settings).once("predicted", spec.name, subject or job.id, actor=settings.actor, facts=facts)

        _resume(run, job)
        run.write(output, job, workers=wanted.workers, tell=tell, then=note)
        job.forget()
    tell.end()
    return Scored(spec.name, champion.version, run.rows, output.shown, (*warnings, *_unread(run)), run.unread)


def _told(scored: Scored) -> Scored:
    say(scored.sentence)
    return scored


def _free(spec: ModelSpec, settings: Settings, wanted: Wanted) -> scoring.File | scoring.DeltaTable:
    """Open the output; raise InputError when it is part of the input, is there already, or cannot be written."""
    output = scoring.open_output(wanted.output, settings.workspace, wanted.due)
    read = {"data.source": (spec.data.source, "to learn from"), "the input": (wanted.source, "to score")}
    for what, (source, use) in read.items():
        if isinstance(source, str) and covers(source, settings.workspace, output.address):
            raise InputError(
                f"The output {output.shown} lies in {what} {source}.",
                why=f"The next run would take predictions for rows {use}.",
                do="Name an output elsewhere.",
            )
    output.prove()
    if not wanted.overwrite and output.is_there():
        raise InputError(f"{output.shown} is there already.", do="Name another output, or say --overwrite.")
    return output


def _subject(output: str, version: int, batches: Sequence[Batch]) -> str:
    """Name what a run is about: these rows, this version, this place whatever the date in its name."""
    rows = digest_of({batch.digest: batch.rows for batch in batches})
    return hashlib.blake2b(f"{rows}/v{version}/{output}".encode(), digest_size=16).hexdigest()


def _resume(run: scoring.Run, job: scoring.Job) -> None:
    """Say what an earlier run has left."""
    if job.begun_anew:
        say(f"an earlier run of this was ended, and cannot be gone on with: {job.begun_anew}")
    elif done := sum(job.has(piece) for piece in run.pieces):
        say(f"goes on where an earlier run was ended: {done} of {len(run.pieces)} parts are done")


def _unread(run: scoring.Run) -> list[str]:
    """Warn of rows that have no prediction."""
    if not run.unread:
        return []
    told = f"{run.unread:,} rows have no prediction, as they cannot be read: {'; '.join(run.examples[:3])}"
    say(told, level=logging.WARNING)
    return [told]


class _Teller:
    """Say how far the run is: all the time to the terminal and the progress bar, now and then in the log."""

    def __init__(self, model: str) -> None:
        self._bar, self._spoken, self._last = Progress(model, "predict-progress"), monotonic(), ""

    def __call__(self, seen: scoring.Progress) -> None:
        self._last = str(seen)
        now = monotonic() - self._spoken > PAUSE
        say(self._last, passing=not now)
        self._bar.update(seen.done / seen.rows, self._last)
        self._spoken = monotonic() if now else self._spoken

    def end(self) -> None:
        """Fill the bar."""
        self._bar.end(self._last)


def _check_columns(spec: ModelSpec, champion: registry.Loaded, batch: Batch) -> tuple[str, ...]:
    """Judge the columns of rows to score by the same policy as those of training data; labels may be missing.

    Where types are what all values of a text file can be read as, one stray word does not block the others: its row
    is judged alone.
    """
    known_later = {spec.data.target, spec.data.weight, spec.data.group}
    warned, blocked = judge_changes(champion.schema, batch.schema, spec.data.on_change, but=known_later)
    alone = [change for change in blocked if _by_row(champion, batch, change)]
    if stops := [change for change in blocked if change not in alone]:
        raise ValidationStopped(
            f"{spec.name}: these rows do not have the columns that the champion learnt from.",
            details=map(str, stops),
            do="Repair the source, or say in data.on_change of the model file that this is allowed.",
        )
    warnings = tuple(map(str, (*warned, *alone)))
    for warning in warnings:
        say(warning)
    return warnings


def _by_row(champion: registry.Loaded, batch: Batch, change: Change) -> bool:
    retyped = change.kind == "retyped" and change.column in champion.card["inputs"]
    return retyped and not batch.typed and _kind(batch.schema, change.column) == "string"


def _kind(schema: Schema, column: str) -> str:
    return schema.to_dict()[column]
