"""Act on a drift decision exactly once, however often and by whomever the run is started."""

from collections.abc import Iterator
from contextlib import contextmanager

from everfit.errors import EverfitError, first_line
from everfit.ledger import Entry, Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say


@contextmanager
def claim(spec: ModelSpec, decision: str) -> Iterator[bool]:
    """Hold a decision while it is acted on; yield False when another run holds it or has finished it.

    A run that dies leaves a claim that the next one takes over. A failure that time may heal is not an end
    either: the decision stays wanted. Without a decision (a run by hand or by calendar) there is nothing to hold.
    """
    settings = Settings()
    ledger = Ledger.of(settings)
    if not decision:
        yield True
        return
    if done := _outcome(ledger, spec.name, decision):
        ledger.finish(
            spec.name, decision, outcome="finished", actor=settings.actor, reason=done.summary, facts=done.facts
        )
    if not ledger.claim(spec.name, decision, actor=settings.actor):
        say(f"decision {decision} is being acted on elsewhere, or was already")
        yield False
        return
    try:
        yield True
    except Exception as error:
        if isinstance(error, EverfitError) and error.transient:
            ledger.release(spec.name, decision, actor=settings.actor, reason=first_line(error))
        else:
            ledger.finish(spec.name, decision, outcome="failed", actor=settings.actor, reason=first_line(error))
        raise
    facts = done.facts if (done := _outcome(ledger, spec.name, decision)) else {}
    ledger.finish(spec.name, decision, outcome="finished", actor=settings.actor, facts=facts)


def _outcome(ledger: Ledger, model: str, decision: str) -> Entry | None:
    """Return how the training for a decision ended, if one got as far before its process died."""
    entries = ledger.entries(model, kinds=["promoted", "promotion_refused", "approval_wanted"])
    return next((entry for entry in entries if entry.facts.get("decision") == decision), None)
