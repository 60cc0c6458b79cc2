"""Put what passed into the model's table, exactly once."""

from collections.abc import Sequence

import pandas as pd

from everfit import evaluation
from everfit.lake import Lake, Snapshot, labels
from everfit.lake.keys import canonical
from everfit.ledger import Kind, Ledger
from everfit.reserved import ROW
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say, step
from tasks.validate import Checked


@step
def land(spec: ModelSpec, checks: Sequence[Checked]) -> Snapshot:
    """Land good rows and quarantine broken ones; return the table as a training may now see it.

    What comes from the model's own source corrects what came from the same place before. Of any other file, two
    contents of one name are two batches. Where labels came alone before, what a new batch says is the later word.
    """
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    for checked in checks:
        batch, refused = checked.batch, "; ".join(checked.refused)
        if not refused and not lake.known(spec.name, batch.digest):
            _outdate_labels(spec, lake, checked)
        landed = lake.land(batch, checked.broken, refused=refused, replace_origin=batch.own)
        facts = {"rows": batch.rows, "good": landed.good, "quarantined": landed.quarantined}
        kind: Kind = "refused_batch" if landed.refused else "ingested"
        subject = batch.digest if landed.refused else lake.landing_of(batch)
        reason = landed.refused or batch.origin
        ledger.once(kind, spec.name, subject, actor=settings.actor, reason=reason, facts=facts)
        told = "landed" if landed.new or refused else "had landed before"
        say(f"batch {batch.digest[:8]}: {landed.good:,} rows {told}, {landed.quarantined:,} in quarantine")
    return lake.snapshot(spec.name)


def _outdate_labels(spec: ModelSpec, lake: Lake, checked: Checked) -> None:
    """Keep the targets of a batch that say something else than labels that came alone, as labels of their own.

    What its place said before is no news: a file that still holds an old mistake must not undo its correction.
    """
    batch, data, known = checked.batch, spec.data, lake.labels(spec.name)
    kind = batch.schema.to_dict().get(data.target)
    if known.empty or kind is None:
        return
    names = [name for name in dict.fromkeys((*data.ids, data.time, data.target)) if name in batch.schema.names]
    rows, former = lake.read(batch, names), lake.former(batch)
    former = former[names] if set(names) <= set(former) else pd.DataFrame()
    own, said = rows[data.target], labels.complete(rows, known, data)[data.target]
    other = own.notna() & (canonical(own) != canonical(said)) & ~rows[ROW].isin(list(checked.broken))
    if other.any():
        new = rows[other & evaluation.is_beyond(rows, former)]
        lake.record_labels(spec.name, labels.read(new, data, kind, batch.origin), batch.origin)
