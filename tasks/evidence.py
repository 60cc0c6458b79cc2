"""What a decision rests on: what was seen, and what the ledger says happened before."""

from dataclasses import replace
from datetime import UTC, datetime

from everfit import registry
from everfit.ledger import Ledger
from everfit.monitor.decision import Evidence
from everfit.monitor.findings import Finding
from everfit.spec import ModelSpec


def evidence(
    spec: ModelSpec,
    loaded: registry.Loaded,
    *,
    batch: str,
    rows: int,
    findings: tuple[Finding, ...],
    labels: int = 0,
    new_rows: int = 0,
    target_present: bool = True,
) -> Evidence:
    """Join what was seen about a batch with the champion; `new_rows` are the labelled rows that have landed."""
    return Evidence(
        model=spec.name,
        batch=batch,
        data_version=int(loaded.card["snapshot"]["version"]),
        now=datetime.now(UTC),
        rows=rows,
        champion=loaded.version,
        learnt=len(loaded.train_rows),
        new_rows=new_rows,
        labels=labels,
        target_present=target_present,
        findings=findings,
    )


def with_past(ledger: Ledger, seen: Evidence) -> Evidence:
    """Add what happened before, as the ledger has it now."""
    past, swaps = ledger.retrainings(seen.model), ledger.swaps(seen.model)
    return replace(
        seen,
        now=datetime.now(UTC),
        champion_since=swaps[-1].at if swaps else None,
        retrained=past.ended,
        running=past.open,
        waiting=ledger.waiting(seen.model),
        as_of=past.seq,
    )
