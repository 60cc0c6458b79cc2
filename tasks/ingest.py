"""Bring in what a source holds, once, as files that nothing changes any more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from prefect.blocks.system import Secret

from everfit import validation
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.sources import open_source
from everfit.spec import ModelSpec
from tasks.steps import say, step


@step
def ingest(spec: ModelSpec, data: str = "", *, apart: bool = False) -> tuple[Batch, ...]:
    """Stage every batch of `data`, or of the model's own source; rows stay on disk.

    The same content is the same batch: staging it twice changes nothing. What is staged `apart` is for one reader.
    A file that has landed is not read again until it changes.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    validation.warm_up()  # what judges the rows starts in a process of its own while they are read
    batches = []
    for source in open_source(data or spec.data.source, base=settings.workspace, secrets=secret):
        stamp = source.stamp()
        batch = lake.recall(spec.name, source.origin, stamp) or lake.stage(spec.name, source, apart=apart)
        if landed := lake.known(spec.name, batch.digest):
            lake.discard(batch)
            lake.remember(batch, stamp)
            ledger.once(  # a process may have died right after it had landed
                "ingested",
                spec.name,
                lake.landing_of(batch),
                actor=settings.actor,
                reason=batch.origin,
                facts={"rows": batch.rows},
            )
        say(f"{batch.rows:,} rows from {batch.origin}, batch {batch.digest[:8]}{', landed before' if landed else ''}")
        batches.append(batch)
    return tuple(batches)


@contextmanager
def staged(spec: ModelSpec, data: str) -> Iterator[tuple[Batch, ...]]:
    """Ingest rows that are not to land, and remove what was staged, whatever happens to them."""
    batches = ingest(spec, data, apart=True)
    try:
        yield batches
    finally:
        for batch in batches:
            Lake(Settings()).discard(batch)


def secret(block: str) -> str:
    """Return the value of a Prefect Secret block, for sources that refer to one."""
    return str(cast("Secret[str]", Secret.load(block)).get())
