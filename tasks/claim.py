"""Write down that a training starts and how it fails; act on a drift decision exactly once, whoever starts the run."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import CancelledRun, PrefectException, TerminationSignal
from prefect.runtime import flow_run

from everfit.errors import EverfitError, NotBegun, first_line
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

    A run that dies, or that a runner which stops takes along, leaves a claim that the next one takes over. A failure
    that time may heal is not an end either: the decision stays wanted. One that a person cancels is over. Without a
    decision (a run by hand or by calendar) there is nothing to hold; Ctrl-C is its end, and not that of a decision,
    on which the process that it stopped was only the first to act.
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
    except KeyboardInterrupt:
        if not decision:
            _failed(ledger, spec.name, decision, settings.actor, CancelledRun("stopped by Ctrl-C"))
        raise
    except TerminationSignal:
        if _cancelled():
            _failed(ledger, spec.name, decision, settings.actor, CancelledRun("cancelled by a person"))
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
    if _outcome(ledger, model, decision):  # what came after it does not undo it
        if decision:
            _finished(ledger, model, decision, actor)
    elif not decision:
        ledger.once("train_failed", model, run_key(), actor=actor, reason=why)
    elif isinstance(error, NotBegun) or (isinstance(error, EverfitError) and error.transient):
        ledger.release(model, decision, actor=actor, reason=why)
    else:
        ledger.finish(model, decision, outcome="failed", actor=actor, reason=why)


def _cancelled() -> bool:
    """Say whether a person cancelled this run.

    The runner ends a run in the same way when it stops itself; but only a person's word is on the server before
    the signal comes. Where the server cannot be asked nobody is known to have cancelled anything.
    """
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow_run.id)).state
    except (HTTPError, PrefectException):
        return False
    return state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED)


def _outcome(ledger: Ledger, model: str, decision: str) -> Entry | None:
    """Return how the training for a decision, or the present one by hand, ended, if it got as far."""
    name, key = ("decision", decision) if decision else ("training", run_key())
    entries = ledger.entries(model, kinds=["promoted", "promotion_refused", "approval_wanted"])
    return next((entry for entry in entries if entry.facts.get(name) == key), None)
