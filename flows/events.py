"""Tell the Prefect server that a refit or a search is wanted, when somebody there will act on it."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from everfit.settings import Settings
from flows.server import running
from flows.talk import call

WANTED = "everfit.retraining.wanted"
ATTENTIVE = timedelta(seconds=30)  # a runner asks for work every two seconds
TEXT = 2_000


def resource_of(model: str) -> str:
    """Return the name under which events speak about a model."""
    return f"everfit.model.{model}"


def somebody_listens(settings: Settings, model: str) -> bool:
    """Say whether a runner asks a server that answers for the work of this model."""
    url = running(settings)
    try:
        deployment = call(f"{url}/deployments/name/train/{quote(model)}") if url else {}
    except OSError:
        return False
    polled = str(deployment.get("last_polled") or "2000-01-01T00:00:00Z")
    return datetime.now(UTC) - datetime.fromisoformat(polled) < ATTENTIVE


def tell_wanted(settings: Settings, model: str, decision: str, reason: str) -> bool:
    """Emit the event that starts a retraining; False when no runner is there to start it, and nothing was emitted.

    The same decision is the same event: saying it twice starts nothing twice.
    """
    if not somebody_listens(settings, model):
        return False
    payload = {"decision": decision, "reason": reason[:TEXT]}
    try:
        call(f"{running(settings)}/events", [_event(WANTED, model, decision, payload)])
    except OSError:
        return False
    return True


def _event(name: str, model: str, decision: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{name}/{model}/{decision}")),
        "event": name,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": resource_of(model), "prefect.resource.name": model},
        "related": _current_run(),
        "payload": payload,
    }


def _current_run() -> list[dict[str, str]]:
    """Name the flow run that is speaking, so that the UI leads from the event to it."""
    if "prefect" not in sys.modules:
        return []
    from prefect.runtime import flow_run

    run = flow_run.id
    return [{"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}] if run else []
