"""Bring in what a service was asked since the last look, as one batch, by the same door as files."""

from datetime import UTC, datetime, timedelta

from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.monitor.decision import Decision
from everfit.serving.drain import drain
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.decide import Past, recollect
from tasks.ingest import bring
from tasks.steps import step

PATIENCE = timedelta(days=1)  # for which answers wait until they are enough to be judged


@step
def ingest_live(spec: ModelSpec, before: Past) -> tuple[Batch, ...]:
    """Close the period since the last look, and stage each period about which more is to do.

    A period has `monitor.min_rows` answers, or ends a day after its first. One that was refused once is not looked at
    again: nobody can repair what was asked.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    drain(settings, spec, settings.home / "answers" / spec.name)  # what a service that was killed has left
    since = datetime.now(UTC).replace(tzinfo=None) - PATIENCE
    while lake.close_period(spec.name, fewest=spec.monitor.min_rows, before=since):
        pass
    came = ledger.entries(spec.name, kinds=["ingested", "refused_batch"])
    landed = {entry.facts.get("origin", entry.reason): entry.subject for entry in came}
    done = _learnt(ledger, spec) | _refused(before)
    batches = []
    for source in lake.live(spec.name, spec.data):
        digest = landed.get(source.origin, "")
        if digest in done or recollect(spec, before, digest):
            continue
        batch = bring(spec, source, {source.origin})
        if batch.digest in done:
            lake.discard(batch)
        else:
            batches.append(batch)
    return tuple(batches)


def _learnt(ledger: Ledger, spec: ModelSpec) -> set[str]:
    champion = ledger.champion(spec.name)
    return set(ledger.registered(spec.name).get(champion or 0, {}).get("batches", ()))


def _refused(before: Past) -> set[str]:
    judged = {batch: Decision.from_dict(entry.facts["decision"]) for (batch, _), entry in before.items()}
    return {batch for batch, decision in judged.items() if decision.action == "repair"}
