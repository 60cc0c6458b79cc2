"""Start every retraining that the ledger says is wanted and that nobody is at work on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.deployments import run_deployment

from everfit.ledger import Entry, Ledger
from everfit.ledger.entries import NOUNS
from everfit.ledger.retrainings import SEARCH, how_of
from everfit.settings import Settings
from everfit.spec import ModelSpec
from flows import events
from flows.train import train
from tasks.claim import run_key
from tasks.spending import month_spent
from tasks.steps import say

ARRIVES = timedelta(minutes=2)  # an event that started nothing in this time has started nothing


def start_wanted(spec: ModelSpec) -> list[dict[str, Any]]:
    """Start what is wanted, through the deployment where a runner listens and here where none does.

    A new decision is told by an event, which is only the fast path: one that came to nothing is started directly
    by a later run, and again by each later one while nobody has claimed it: what was asked for before may have ended
    without a claim. Whatever was started twice, the claim in the ledger lets only one run act on a decision. When the
    month has nothing left for a search, one that is wanted waits for the next; a refit costs next to nothing.
    """
    settings = Settings()
    wanted = Ledger.of(settings).wanted(spec.name)
    spent = month_spent(spec) if any(map(_searches, wanted)) else ""
    return [_waits(entry, spent) if spent and _searches(entry) else _start(spec, settings, entry) for entry in wanted]


def _searches(wanted: Entry) -> bool:
    return how_of(wanted) == SEARCH


def _waits(wanted: Entry, why: str) -> dict[str, Any]:
    say(f"the search for decision {wanted.subject} waits: {why}")
    return {"decision": wanted.subject, "started": "", "sentence": f"it waits: {why}"}


def _start(spec: ModelSpec, settings: Settings, entry: Entry) -> dict[str, Any]:
    cause = "drift" if _searches(entry) else NOUNS[how_of(entry)]
    decision, reason = entry.subject, f"{cause}: {entry.reason}"
    if not events.somebody_listens(settings, spec.name):
        say(f"retraining here, for decision {decision}")
        ended = train(spec.name, reason=reason, decision=decision)
        return {"decision": decision, "started": "here", **ended} if ended else _not_started(spec.name, decision)
    recent = datetime.now(UTC) - entry.at < ARRIVES
    if recent and events.tell_wanted(settings, spec.name, decision, reason):
        say(f"retraining asked for by event, for decision {decision}")
        return {"decision": decision, "started": "by event"}
    run_deployment(
        f"train/{spec.name}",
        parameters={"model": spec.name, "reason": reason, "decision": decision},
        idempotency_key=f"{decision}-{run_key()}",
        timeout=0,
        as_subflow=False,
    )
    say(f"retraining started again, for decision {decision}: its event came to nothing")
    return {"decision": decision, "started": "by deployment"}


def _not_started(model: str, decision: str) -> dict[str, Any]:
    why = f"no retraining was started for decision {decision}: another process is at work on it, or it was given up"
    return {"decision": decision, "started": "", "sentence": f"{why}; everfit history {model} says which"}
