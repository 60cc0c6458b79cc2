"""What a decision rests on: what was seen, and what the ledger says happened before."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from everfit.ledger import Ledger
from everfit.monitor.decision import Action, Evidence
from everfit.monitor.findings import Finding
from everfit.spec import ModelSpec
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import State
from tasks.champion import Champion
from tasks.spending import month_spent


def evidence(
    spec: ModelSpec,
    champion: Champion,
    *,
    batch: str,
    rows: int,
    findings: tuple[Finding, ...],
    labels: int = 0,
    new_rows: int = 0,
    target_present: bool = True,
    measured: Measured | None = None,
    upkeep: State | None = None,
    again: bool = False,
    waits: bool = False,
    corrected: int = 0,
) -> Evidence:
    """Join what was seen about a batch with the champion; `new_rows` are the labelled rows that have landed.

    Rows that refits have learnt from still count as new for a search, which was made without them; once, though their
    label was `corrected` since.
    """
    loaded, learnt = champion.loaded, champion.lineage.line[0].beyond
    beyond = max(0, learnt - corrected)
    return Evidence(
        model=spec.name,
        batch=batch,
        data_version=int(loaded.card["snapshot"]["version"]),
        now=datetime.now(UTC),
        rows=rows,
        champion=loaded.version,
        learnt=len(loaded.train_rows) - learnt,
        new_rows=new_rows + beyond,
        labels=labels + beyond,
        target_present=target_present,
        findings=findings,
        upkeep=upkeep or champion.lineage.state(),
        measured=measured,
        again=again,
        waits=waits,
        spent=month_spent(spec),
    )


def with_past(ledger: Ledger, seen: Evidence) -> Evidence:
    """Add what happened before, as the ledger has it now."""
    past = ledger.retrainings(seen.model)
    return replace(
        seen,
        now=datetime.now(UTC),
        champion_since=ledger.since(seen.model),
        retrained=past.ended,
        running=past.busy if seen.spent else past.open,
        queued=past.queued if seen.spent else "",
        waiting=ledger.waiting(seen.model),
        as_of=past.seq,
        costs={action: past.seconds[action] for action in get_args(Action) if action in past.seconds},
    )
