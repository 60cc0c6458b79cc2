"""Bring in what a source holds, once, as files that nothing changes any more."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from prefect.blocks.system import Secret

from everfit import validation
from everfit.errors import NoFiles, NotThere, SourceError, first_line
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.sources import Source, open_source
from everfit.sources.files import covers
from everfit.spec import ModelSpec, SqlSource
from tasks.steps import say, step


@step
def ingest(spec: ModelSpec, data: str = "") -> tuple[Batch, ...]:
    """Stage every batch of `data`, or of the model's own source; rows stay on disk.

    The same content is the same batch: staging it twice changes nothing. A file that has landed is not read again
    until it changes. A model that is served may live on what it is asked: its own source may be gone, if it was there.
    """
    settings = Settings()
    validation.warm_up()  # what judges the rows starts in a process of its own while they are read
    try:
        sources = open_source(data or spec.data.source, base=settings.workspace, secrets=secret)
    except (NoFiles, NotThere) as gone:
        if data or not _lived_on(spec, settings):
            raise
        say(f"only live traffic: {first_line(gone)}", level=logging.WARNING)
        return ()
    own = own_places(spec, settings) if data else {source.origin for source in sources}
    came = [bring(spec, source, own) for source in sources]
    if before := [batch for batch, landed in came if landed]:
        what = before[0].origin if len(before) == 1 else f"{len(before):,} batches"
        say(f"{what} landed before, {sum(batch.rows for batch in before):,} rows")
    return tuple(batch for batch, _ in came)


def bring(spec: ModelSpec, source: Source, own: Collection[str]) -> tuple[Batch, bool]:
    """Stage one source, or find that its batch has landed, and whether it has.

    The next content of a place replaces what it held if it is an `own` one. The ledger is told of a landing again if a
    process died right after it.
    """
    settings = Settings()
    lake, stamp = Lake(settings), source.stamp()
    recalled = lake.recall(spec.name, source.origin, stamp)
    batch = recalled or lake.stage(spec.name, source)
    batch = replace(batch, own=source.origin in own)
    landed = recalled is not None or lake.known(spec.name, batch.digest)
    if landed and not recalled:
        lake.discard(batch)
        if batch.own:
            lake.hand_over(batch, own)
        subject, facts = lake.landing_of(batch), {"rows": batch.rows}
        Ledger.of(settings).once("ingested", spec.name, subject, actor=settings.actor, reason=batch.origin, facts=facts)
        lake.remember(batch, stamp)
    say(f"{batch.rows:,} rows from {batch.origin}, batch {batch.digest[:8]}", passing=landed)
    return batch, landed


def _lived_on(spec: ModelSpec, settings: Settings) -> bool:
    """Say whether a service answered since the model's source brought something: one that never did is mistyped."""
    lake, where, base = Lake(settings), spec.data.source, settings.workspace
    if isinstance(where, SqlSource) or not lake.answered(spec.name):
        return False
    origins = [batch.origin for batch in lake.batches(spec.name)]
    return any(origin.startswith(where) or covers(where, base, origin) for origin in origins)


def own_places(spec: ModelSpec, settings: Settings) -> set[str]:
    """Return the places that the model's own source names; none when there is nothing at it."""
    try:
        return {source.origin for source in open_source(spec.data.source, base=settings.workspace, secrets=secret)}
    except SourceError:
        return set()


@contextmanager
def staged(spec: ModelSpec, data: str | SqlSource) -> Iterator[list[Batch]]:
    """Stage rows that are not to land, apart from those that are, and remove them, whatever happens to them."""
    settings, batches = Settings(), list[Batch]()
    lake = Lake(settings)
    try:
        for source in open_source(data, base=settings.workspace, secrets=secret):
            say(f"reading {source.origin}", passing=True)
            batches.append(lake.stage(spec.name, source, apart=True))
            say(f"{batches[-1].rows:,} rows from {source.origin}, batch {batches[-1].digest[:8]}")
        yield batches
    finally:
        for batch in batches:
            lake.discard(batch)


def secret(block: str) -> str:
    """Return the value of a Prefect Secret block, for sources that refer to one; raise SourceError without it."""
    try:
        return str(cast("Secret[str]", Secret.load(block)).get())
    except ValueError as cause:
        what = f"Prefect has no Secret block '{block}': {first_line(cause)}."
        raise SourceError(what, do="Make it in the Prefect UI, or correct its name in the model file.") from cause
