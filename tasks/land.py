"""Put what passed into the model's table, exactly once."""

from collections.abc import Sequence

from everfit.errors import SourceError, Unavailable
from everfit.lake import Lake, Snapshot
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

    What comes from the model's own source, whoever named it, corrects what came from the same place before. Of any
    other file, two batches of one name are two batches.
    """
    settings = Settings()
    lake, ledger, own = Lake(settings), Ledger.of(settings), _own_places(spec, settings)
    for checked in checks:
        refused = "; ".join(checked.refused)
        landed = lake.land(checked.batch, checked.broken, refused=refused, replace_origin=checked.batch.origin in own)
        facts = {"rows": checked.batch.rows, "good": landed.good, "quarantined": landed.quarantined}
        kind: Kind = "refused_batch" if landed.refused else "ingested"
        subject = checked.batch.digest if landed.refused else lake.landing_of(checked.batch)
        reason = landed.refused or checked.batch.origin
        ledger.once(kind, spec.name, subject, actor=settings.actor, reason=reason, facts=facts)
        say(f"batch {checked.batch.digest[:8]}: {landed.good:,} rows landed, {landed.quarantined:,} in quarantine")
    return lake.snapshot(spec.name)


def _own_places(spec: ModelSpec, settings: Settings) -> set[str]:
    """Return the places that the model's own source names; what cannot be looked at has not just been read either."""
    try:
        return {source.origin for source in open_source(spec.data.source, base=settings.workspace, secrets=secret)}
    except (SourceError, Unavailable):
        return set()
