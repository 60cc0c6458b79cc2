"""Write down that a training starts and how it fails; act on a drift decision exactly once, whoever starts the run."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.runtime import flow_run

from everfit.errors import EverfitError, first_line
from everfit.ledger import Entry, Holder, Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say


def run_key() -> str:
    """Name the present attempt of the present run: what was done under a key is not done again."""
    return f"{flow_run.id}/{flow_run.run_count}"


@contextmanager
def claim(spec: ModelSpec, decision: str, reason: str, data_version: int | None) -> Iterator[bool]:
    """Record the start of a training, and its failure; yield False when its decision is another run's, or was acted on.

    A run that dies leaves a claim that the next one takes over. A failure that time may heal is not an end
    either: the decision stays wanted. Without a decision (a run by hand or by calendar) there is nothing to hold.
    """
    settings = Settings()
    ledger = Ledger.of(settings)
    if decision and not _taken(ledger, spec.name, decision, settings.actor):
        say(f"decision {decision} is being acted on elsewhere, or was already")
        yield False
        return
    if not decision:
        facts = {"holder": Holder.here().to_dict(), "data_version": data_version}
        ledger.once("train_started", spec.name, run_key(), actor=settings.actor, reason=reason, facts=facts)
    try:
        yield True
    except Exception as error:
        _failed(ledger, spec.name, decision, settings.actor, error)
        raise
    if decision:
        _finished(ledger, spec.name, decision, settings.actor)


def _taken(ledger: Ledger, model: str, decision: str, actor: str) -> bool:
    """Take on a decision, unless it is taken; one whose training died right before its end is finished instead."""
    if _outcome(ledger, model, decision):
        _finished(ledger, model, decision, actor)
    return ledger.claim(model, decision, actor=actor)


def _finished(ledger: Ledger, model: str, decision: str, actor: str) -> None:
    done = _outcome(ledger, model, decision)
    ledger.finish(model, decision, outcome="finished", actor=actor, facts=done.facts if done else {})


def _failed(ledger: Ledger, model: str, decision: str, actor: str, error: Exception) -> None:
    why = first_line(error)
    if not decision:
        ledger.once("train_failed", model, run_key(), actor=actor, reason=why)
    elif isinstance(error, EverfitError) and error.transient:
        ledger.release(model, decision, actor=actor, reason=why)
    else:
        ledger.finish(model, decision, outcome="failed", actor=actor, reason=why)


def _outcome(ledger: Ledger, model: str, decision: str) -> Entry | None:
    """Return how the training for a decision ended, if it got as far."""
    entries = ledger.entries(model, kinds=["promoted", "promotion_refused", "approval_wanted"])
    return next((entry for entry in entries if entry.facts.get("decision") == decision), None)
