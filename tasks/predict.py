"""Score rows with the champion, and keep what was said."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from everfit import registry, scoring
from everfit.errors import InputError, ValidationStopped
from everfit.lake import Batch
from everfit.ledger import Ledger
from everfit.schema import Change, judge_changes
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
    output, ledger = _open(spec, settings, wanted), Ledger.of(settings)
    with jobs.alone(settings, output.address, output.shown):
        _require_free(output, wanted)
        champion = load_champion(spec, settings, registry.require_champion(ledger, spec.name))
        scored = _once(spec, settings, wanted, champion, output)
    if not scored.done_before and (now := ledger.champion(spec.name)) != scored.version:
        told = f"v{scored.version} was champion when this began, and answered all rows; v{now} is by now"
        say(told, level=logging.WARNING)
    say(scored.sentence)
    return scored


def _once(
    spec: ModelSpec,
    settings: Settings,
    wanted: Wanted,
    champion: registry.Loaded,
    output: scoring.File | scoring.DeltaTable,
) -> Scored:
    """Score the rows, unless the output holds what is said of them and one run does it for all."""
    with staged(spec, wanted.source) as batches:
        same = jobs.identity(spec, champion.version, batches)
        if not wanted.again and _is_done(settings, output, same):
            rows = sum(batch.rows for batch in batches)
            return Scored(spec.name, champion.version, rows, output.shown, (), done_before=True)
        return _score(spec, settings, wanted, champion, batches, output, same)


def _score(
    spec: ModelSpec,
    settings: Settings,
    wanted: Wanted,
    champion: registry.Loaded,
    batches: Sequence[Batch],
    output: scoring.File | scoring.DeltaTable,
    same: Mapping[str, Any],
) -> Scored:
    warnings = [text for batch in batches for text in _check_columns(spec, champion, batch)]
    run = scoring.Run(spec, settings, champion, batches)
    job = jobs.resumed(settings, output.address, same)
    todo = _resume(run, job)

    def record() -> None:
        facts = {"rows": run.rows, "version": champion.version, "output": output.shown, "about": _about(output, same)}
        facts |= {"unread": run.unread} if run.unread else {}
        Ledger.of(settings).once("predicted", spec.name, job.id, actor=settings.actor, facts=facts)

    with closing(_Teller(spec.name)) as tell:
        run.write(output, job, todo, workers=wanted.workers, tell=tell, then=record)
    job.forget()
    return Scored(spec.name, champion.version, run.rows, output.shown, (*warnings, *_unread(run)), run.unread)


def _open(spec: ModelSpec, settings: Settings, wanted: Wanted) -> scoring.File | scoring.DeltaTable:
    """Open the output; raise InputError when it is part of what is read."""
    output = scoring.open_output(wanted.output, settings.workspace, wanted.due)
    read = {"data.source": (spec.data.source, "to learn from"), "the input": (wanted.source, "to score")}
    for what, (source, use) in read.items():
        if isinstance(source, str) and covers(source, settings.workspace, output.address):
            raise InputError(
                f"The output {output.shown} lies in {what} {source}.",
                why=f"The next run would take predictions for rows {use}.",
                do="Name an output elsewhere.",
            )
    return output


def _require_free(output: scoring.File | scoring.DeltaTable, wanted: Wanted) -> None:
    output.prove()
    if not wanted.overwrite and output.is_there():
        raise InputError(f"{output.shown} is there already.", do="Name another output, or say --overwrite.")


def _is_done(settings: Settings, output: scoring.File | scoring.DeltaTable, same: Mapping[str, Any]) -> bool:
    """Whether the last run of any model that wrote to the output wrote this, and none has begun to write since."""
    if not output.is_there() or jobs.unfinished(settings, output.address):
        return False
    said = [entry.facts for entry in Ledger.of(settings).entries(kinds=["predicted"])]
    about = [facts.get("about") for facts in said if facts.get("output") == output.shown]
    return about[-1:] == [_about(output, same)]


def _about(output: scoring.File | scoring.DeltaTable, same: Mapping[str, Any]) -> str:
    """Name these rows, this version and this place."""
    said = json.dumps([output.address, same["model"], same["champion"], same["input"]])
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def _resume(run: scoring.Run, job: scoring.Job) -> list[scoring.Piece]:
    """Say what an earlier run has left; return what is to be done."""
    todo = job.todo(run.pieces)
    if job.begun_anew:
        say(f"an earlier run of this was ended, and cannot be gone on with: {job.begun_anew}")
    elif done := len(run.pieces) - len(todo):
        say(f"goes on where an earlier run was ended: {done} of {len(run.pieces)} parts are done")
    return todo


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
        self._bar, self._spoken = Progress(model, "predict-progress"), monotonic()
        self._last, self._share = "", 0.0

    def __call__(self, seen: scoring.Progress) -> None:
        self._last, self._share = str(seen), seen.done / seen.rows
        now = monotonic() - self._spoken > PAUSE
        say(self._last, passing=not now)
        self._bar.update(self._share, self._last)
        self._spoken = monotonic() if now else self._spoken

    def close(self) -> None:
        """Say where the run ended."""
        self._bar.end(self._last, self._share)


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
    return retyped and not batch.typed and batch.schema.to_dict()[change.column] == "string"
