"""Put what passed into the model's table, exactly once."""

from collections.abc import Sequence

from everfit.lake import Lake, Snapshot
from everfit.ledger import Kind, Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say, step
from tasks.validate import Checked


@step
def land(spec: ModelSpec, checks: Sequence[Checked]) -> Snapshot:
    """Land good rows and quarantine broken ones; return the table as a training may now see it.

    What comes from the model's own source corrects what came from the same place before. Of any other file, two
    contents of one name are two batches.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    for checked in checks:
        batch, refused = checked.batch, "; ".join(checked.refused)
        landed = lake.land(batch, checked.broken, refused=refused, replace_origin=batch.own)
        facts = {"rows": batch.rows, "good": landed.good, "quarantined": landed.quarantined, "origin": batch.origin}
        kind: Kind = "refused_batch" if landed.refused else "ingested"
        subject = batch.digest if landed.refused else lake.landing_of(batch)
        reason = landed.refused or batch.origin
        ledger.once(kind, spec.name, subject, actor=settings.actor, reason=reason, facts=facts)
        before = not (landed.new or refused)
        told = f"{landed.good:,} rows {'had landed before' if before else 'landed'}"
        say(f"batch {batch.digest[:8]}: {told}, {landed.quarantined:,} in quarantine", passing=before)
    return lake.snapshot(spec.name)
