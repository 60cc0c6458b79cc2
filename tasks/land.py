"""Put what passed into the model's table, exactly once."""

from collections.abc import Sequence

from everfit import evaluation
from everfit.errors import SourceError, Unavailable
from everfit.lake import Batch, Lake, Snapshot
from everfit.ledger import Kind, Ledger
from everfit.settings import Settings
from everfit.sources import open_source
from everfit.spec import ModelSpec
from tasks.ingest import secret
from tasks.steps import say, step
from tasks.validate import Checked


@step
def land(spec: ModelSpec, checks: Sequence[Checked]) -> Snapshot:
    """Land good rows and quarantine broken ones; return the table as a training may now see it.

    What comes from the model's own source, whoever named it, corrects what came from the same place before, and so
    does a file that still holds all that it held. Of any other, two contents of one name are two batches.
    """
    settings = Settings()
    lake, ledger, own = Lake(settings), Ledger.of(settings), _own_places(spec, settings)
    for checked in checks:
        batch, refused = checked.batch, "; ".join(checked.refused)
        ours = batch.origin in own
        landed = lake.land(
            batch,
            checked.broken,
            refused=refused,
            replace_origin=ours or _grew(lake, batch),
            take_over=ours and lake.origin_of(batch) not in own,
        )
        facts = {"rows": batch.rows, "good": landed.good, "quarantined": landed.quarantined}
        kind: Kind = "refused_batch" if landed.refused else "ingested"
        subject = batch.digest if landed.refused else lake.landing_of(batch)
        reason = landed.refused or batch.origin
        ledger.once(kind, spec.name, subject, actor=settings.actor, reason=reason, facts=facts)
        told = "landed" if landed.new or refused else "had landed before"
        say(f"batch {batch.digest[:8]}: {landed.good:,} rows {told}, {landed.quarantined:,} in quarantine")
    return lake.snapshot(spec.name)


def _grew(lake: Lake, batch: Batch) -> bool:
    """Say whether a batch holds every row that came from its place before."""
    former = lake.former(batch)
    return len(former) > 0 and not evaluation.is_beyond(former, lake.read(batch)).any()


def _own_places(spec: ModelSpec, settings: Settings) -> set[str]:
    """Return the places that the model's own source names; what cannot be looked at has not just been read either."""
    try:
        return {source.origin for source in open_source(spec.data.source, base=settings.workspace, secrets=secret)}
    except (SourceError, Unavailable):
        return set()
