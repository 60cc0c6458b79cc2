"""Stop bad data before it becomes a bad model."""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pandas as pd

from everfit import registry, validation
from everfit.errors import ValidationStopped
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.schema import Change, Schema, judge_changes
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.artifacts import publish_report
from tasks.steps import say, step

EMPTY = "it holds no rows: look at what wrote it"
SHOWN = 5  # warnings of a batch; the report has all of them


@dataclass(frozen=True)
class Checked:
    """A staged batch, the rows of it that may not be learnt from by position, and why it was refused if it was."""

    batch: Batch
    broken: dict[int, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    page: str = ""
    refused: tuple[str, ...] = ()

    @property
    def good(self) -> int:
        """How many rows may be learnt from."""
        return 0 if self.refused else self.batch.rows - len(self.broken)

    @property
    def summary(self) -> str:
        """Say in one line what was found."""
        if self.refused:
            return f"batch {self.batch.digest[:8]} refused: {'; '.join(self.refused)}"
        warned = f", {len(self.warnings)} warning(s)" if self.warnings else ""
        return f"batch {self.batch.digest[:8]}: {self.good:,} rows good, {len(self.broken):,} to quarantine{warned}"


@step
def validate(
    spec: ModelSpec, batches: Sequence[Batch], *, again: bool = False, stop: bool = True
) -> tuple[Checked, ...]:
    """Run every suite on every batch that has not landed yet, then stop if one failed.

    All of them run first, so one report shows everything there is to repair. A batch that is refused goes to
    the quarantine whole, and is tried again when it comes again, since the rule may have been the mistake; only the
    first time stops a training, so that one bad file does not stop all that follow, unless there is nothing else to
    learn from. `again` looks at known faults too, and returns batches that landed before as they landed: a rule that
    came since takes no row back. Without `stop` what is sound goes on alone: the monitor meets the fault again.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    faults = set() if again else known_faults(ledger, spec.name)
    landed = {b.digest: Checked(b, lake.broken(b)) for b in batches if lake.known(spec.name, b.digest)}
    fresh = [b for b in batches if b.digest not in landed and b.digest not in faults]
    checks = [_check(spec, settings, batch) for batch in fresh]
    if not checks:
        say("nothing new to check")
    for checked in checks:
        ledger.record(
            "validated",
            spec.name,
            actor=settings.actor,
            reason="; ".join(checked.refused) or "passed",
            facts={
                "batch": checked.batch.digest,
                "good": checked.good,
                "quarantined": len(checked.broken),
                "warnings": list(checked.warnings),
                "page": checked.page,
            },
        )
        say(checked.summary, level=logging.WARNING if checked.refused else logging.INFO)
        for warning in checked.warnings[:SHOWN]:
            say(warning, level=logging.WARNING)
    refused = [checked for checked in checks if checked.refused]
    first = [checked for checked in refused if quarantine(spec, settings, checked)]
    passed = [checked for checked in checks if not checked.refused]
    alone = not passed and lake.empty(spec.name)
    if stop and (first or (refused and (again or alone))):
        raise _stop(spec, first or refused)
    return (*(landed.values() if again else ()), *passed)


def known_faults(ledger: Ledger, model: str) -> set[str]:
    """Return the digests of batches that the monitor found broken and has not found sound since."""
    latest = {e.facts["evidence"]["batch"]: e for e in ledger.entries(model, kinds=["drift_judged"])}
    return {batch for batch, entry in latest.items() if entry.facts["decision"]["action"] == "repair"}


def _check(spec: ModelSpec, settings: Settings, batch: Batch) -> Checked:
    frame = Lake(settings).read(batch)
    suites = validation.load_suites(spec.suites, settings.expectations, personal=spec.data.personal)
    later = {name for name in (spec.data.target, spec.data.weight) if name and not _known(frame, name)}
    later |= unasked(spec, settings, batch)
    report = validation.run(suites, frame, model=spec.name, origin=batch.origin, without=later)
    page = validation.write_page(report, settings.reports(spec.name) / f"data-{batch.digest[:12]}.html")
    publish_report(spec.name, "data-report", f"{spec.name}: data checks", validation.to_markdown(report), page)
    warned, blocked = _schema_changes(spec, settings, batch) if batch.rows else ((), ())
    told = {change.column for change in blocked if change.kind in ("removed", "retyped")}
    infinite = [f"{name}: {count:,} infinite value(s), read as missing" for name, count in batch.infinite.items()]
    return Checked(
        batch,
        dict(report.broken),
        (*map(str, warned), *infinite, *map(str, report.warnings)),
        str(page),
        (
            *map(str, blocked),
            *(_blocking(report, frame, told) if batch.rows else (EMPTY,)),
            *(map(str, report.quarantining) if report.blocking else ()),
        ),
    )


def _blocking(report: validation.Report, frame: pd.DataFrame, told: Collection[str]) -> list[str]:
    """Say what stops, once for a column that is not there, and not again for one of which it is `told` already."""
    rules = [r for r in report.blocking if r.column not in told]
    absent = Counter(r.column for r in rules if r.state == "error" and r.column and r.column not in frame)
    gone = [f"{name}: it is not there, and {count} rules need it" for name, count in absent.items() if count > 1]
    return [*gone, *(str(r) for r in rules if absent[r.column] < 2)]


def _known(frame: pd.DataFrame, name: str) -> bool:
    """Say whether labels have come: they may be known later."""
    return name in frame and bool(frame[name].notna().any())


def _schema_changes(spec: ModelSpec, settings: Settings, batch: Batch) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Compare a batch's columns with those that the champion learnt from; without one, anything goes."""
    expected, came = champion_schema(Ledger.of(settings), spec.name), batch.schema
    if expected is None:
        return (), ()
    later = set() if spec.data.target in came.names else {spec.data.target, spec.data.weight}
    return judge_changes(expected, came, spec.data.on_change, but=later | unasked(spec, settings, batch))


def unasked(spec: ModelSpec, settings: Settings, batch: Batch) -> set[str]:
    """Return the columns that a service does not ask for, if the batch is what it was asked: they cannot be missing."""
    expected = champion_schema(Ledger.of(settings), spec.name) if batch.live else None
    return set(expected.names).difference(batch.schema.names) if expected else set()


def champion_schema(ledger: Ledger, model: str) -> Schema | None:
    """Return the columns that the champion learnt from, without loading it."""
    version = ledger.champion(model)
    return None if version is None else registry.schema_of(Settings(), model, version)


def quarantine(spec: ModelSpec, settings: Settings, checked: Checked) -> bool:
    """Put a refused batch into quarantine, whole; say whether this is the first time."""
    why = "; ".join(checked.refused)
    if not Lake(settings).land(checked.batch, {}, refused=why).refused:
        return False  # another run has just landed it
    facts = {"rows": checked.batch.rows, "page": checked.page, "origin": checked.batch.origin}
    digest, actor = checked.batch.digest, settings.actor
    _, first = Ledger.of(settings).once("refused_batch", spec.name, digest, actor=actor, reason=why, facts=facts)
    return first


def _stop(spec: ModelSpec, refused: list[Checked]) -> ValidationStopped:
    suites = [f"the rules in {', '.join(f'expectations/{name}.yaml' for name in spec.suites)}"] if spec.suites else []
    changed = "what data.on_change of the model file says about such columns"
    return ValidationStopped(
        f"{spec.name}: {len(refused)} batch(es) may not be learnt from.",
        details=[f"{checked.batch.origin}: {why}" for checked in refused for why in checked.refused],
        why="They are in quarantine, whole. " + "Full report: " + refused[0].page,
        do=f"Repair the feed, or {' or '.join([*suites, changed])}.",
        batches=[checked.batch.digest for checked in refused],
        page=refused[0].page,
    )
