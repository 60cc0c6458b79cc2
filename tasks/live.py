"""Bring in what a service was asked since the last look, as one batch, by the same door as files."""

import logging
from datetime import UTC, datetime, timedelta

from everfit.errors import InputError, first_line
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.serving.drain import drain
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.decide import Past, recollect
from tasks.ingest import bring
from tasks.steps import say, step
from tasks.validate import Checked, quarantine

PATIENCE = timedelta(days=1)  # for which answers wait until they are enough to be judged


@step
def ingest_live(spec: ModelSpec, before: Past) -> tuple[Batch, ...]:
    """Close the period since the last look, and stage each period about which more is to do.

    A period has `monitor.min_rows` answers, or ends a day after its first. One that was refused once is not looked at
    again: nobody can repair what was asked.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    _hand_over(spec, settings)
    if not lake.answered(spec.name):
        return ()
    since = datetime.now(UTC).replace(tzinfo=None) - PATIENCE
    while lake.close_period(spec.name, fewest=spec.monitor.min_rows, before=since):
        pass
    came = ledger.entries(spec.name, kinds=["ingested", "refused_batch"])
    landed = {entry.facts.get("origin", entry.reason): entry.subject for entry in came}
    learnt, refused = _learnt(ledger, spec), _refused(before)
    batches = []
    for source in lake.live(spec.name, spec.data):
        digest = landed.get(source.origin, "")
        if digest in learnt or digest in refused or recollect(spec, before, digest):
            continue
        batch, _ = bring(spec, source, {source.origin})
        if batch.digest in refused:  # whoever refused it died before its rows were put away
            quarantine(spec, settings, Checked(batch, refused=(refused[batch.digest],)))
        elif batch.digest in learnt:
            lake.discard(batch)
        else:
            batches.append(batch)
    return tuple(batches)


def _hand_over(spec: ModelSpec, settings: Settings) -> None:
    """Bring into the lake what a service has left that was killed; where this user may not, the next service does."""
    try:
        drain(settings, spec, settings.home / "answers" / spec.name)
    except (InputError, OSError) as cause:
        say(f"answers wait for the service's next start: {first_line(cause)}", level=logging.WARNING)


def _learnt(ledger: Ledger, spec: ModelSpec) -> set[str]:
    champion = ledger.champion(spec.name)
    return set(ledger.registered(spec.name).get(champion or 0, {}).get("batches", ()))


def _refused(before: Past) -> dict[str, str]:
    """Return why batches were refused, by their digests."""
    entries = {batch: entry for (batch, _), entry in before.items()}
    return {batch: each.reason for batch, each in entries.items() if each.facts["decision"]["action"] == "repair"}
