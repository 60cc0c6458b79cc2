"""What a decision rests on: what was seen, and what the ledger says happened before."""

from datetime import UTC, datetime

from everfit import registry
from everfit.ledger import Ledger
from everfit.monitor.decision import Evidence
from everfit.monitor.findings import Finding
from everfit.settings import Settings
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
    """Join what was seen about a batch with the champion's past; `new_rows` are the labelled rows that have landed."""
    ledger = Ledger.of(Settings())
    swaps = ledger.swaps(spec.name)
    retrainings = ledger.entries(spec.name, kinds=["retrain_wanted", "retrain_finished", "retrain_failed"])
    ended = {entry.subject: entry for entry in retrainings if entry.kind != "retrain_wanted"}
    open_ = [entry.subject for entry in retrainings if entry.kind == "retrain_wanted" and entry.subject not in ended]
    return Evidence(
        model=spec.name,
        batch=batch,
        data_version=int(loaded.card["snapshot"]["version"]),
        now=datetime.now(UTC),
        rows=rows,
        champion=loaded.version,
        champion_since=swaps[-1].at if swaps else None,
        learnt=len(loaded.train_rows),
        new_rows=new_rows,
        labels=labels,
        target_present=target_present,
        retrained=tuple(entry.at for entry in ended.values()),
        running=open_[-1] if open_ else "",
        waiting=ledger.waiting(spec.name),
        findings=findings,
    )
