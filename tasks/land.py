"""Put what passed into the model's table, exactly once."""

from collections.abc import Sequence

from everfit.lake import Lake, Snapshot
from everfit.ledger import Kind, Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say, step
from tasks.validate import Checked


@step
def land(spec: ModelSpec, checks: Sequence[Checked], *, declared: bool = False) -> Snapshot:
    """Land good rows and quarantine broken ones; return the table as a training may now see it.

    `declared` batches come from the model's own source: other content at the same place corrects what came before.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    for checked in checks:
        refused = "; ".join(checked.refused)
        landed = lake.land(checked.batch, checked.broken, refused=refused, replace_origin=declared)
        facts = {"rows": checked.batch.rows, "good": landed.good, "quarantined": landed.quarantined}
        kind: Kind = "refused_batch" if landed.refused else "ingested"
        subject = checked.batch.digest if landed.refused else lake.landing_of(checked.batch)
        reason = landed.refused or checked.batch.origin
        ledger.once(kind, spec.name, subject, actor=settings.actor, reason=reason, facts=facts)
        say(f"batch {checked.batch.digest[:8]}: {landed.good:,} rows landed, {landed.quarantined:,} in quarantine")
    return lake.snapshot(spec.name)
