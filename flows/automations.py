"""What the Prefect server does by itself: retrain when a monitor wants it, and bury runs that were lost.

Automations have no unique name there, so ours are read first, and each carries a digest of its definition:
one that has not changed is left alone, with its memory of what it has already fired for.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.events import WANTED, resource_of

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.events.schemas.automations import AutomationCore

QUIET = timedelta(seconds=10)
LOST = timedelta(seconds=90)  # three heartbeats
TAG = "everfit"
FLOWS = ["train", "monitor", "predict"]


def digest(value: Any) -> str:
    """Return a short name of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _definition(automation: "AutomationCore") -> dict[str, Any]:
    """What an automation says, less what differs each time that it is written down: ids, the order of sets."""
    dumped = automation.model_dump(mode="json", exclude={"trigger": {"id"}, "tags": True})
    trigger = {k: sorted(v) if isinstance(v, list) else v for k, v in dumped["trigger"].items()}
    return dumped | {"trigger": trigger}


def retrain_when_wanted(model: str, deployment: UUID) -> "AutomationCore":
    """What the monitor wants starts the model's training, with the reason and the decision that the event carries."""
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    parameters = {
        "model": model,
        "reason": "{{ event.payload.reason | default('the monitor wanted it') }}",  # a missing key would fail unseen
        "decision": "{{ event.payload.decision | default('') }}",
    }
    return AutomationCore(
        name=f"everfit: retrain {model} when its monitor wants it",
        description="The monitor wants a refit or a search; this starts it.",
        trigger=EventTrigger(
            expect={WANTED},
            match={"prefect.resource.id": resource_of(model)},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=QUIET,
        ),
        actions=[RunDeployment(deployment_id=deployment, parameters=parameters)],
    )


def lost_runs() -> "AutomationCore":
    """A run whose heartbeat stops has lost its process; nobody else would ever say so."""
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    return AutomationCore(
        name="everfit: mark lost runs as crashed",
        description="A run that stops sending heartbeats was killed, or its machine stopped.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},  # whatever its end is called; a suspended one waits for a person
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": FLOWS},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=LOST,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"It sent no heartbeat for {LOST.seconds} seconds: the process was killed, or its machine "
                "stopped. everfit history says what it had decided. Run it again; nothing is landed or promoted twice.",
            )
        ],
    )


async def apply(client: "PrefectClient", wanted: Sequence["AutomationCore"], *, owner: str) -> None:
    """Remove what is ours and no longer wanted as it is, then create what is missing."""
    marked = {digest(_definition(automation)): automation for automation in wanted}
    there = set()
    for found in await client.read_automations():
        if owner not in found.tags:
            continue
        if (mark := next((tag for tag in found.tags if tag in marked), None)) and mark not in there:
            there.add(mark)
        else:
            await client.delete_automation(found.id)
    for mark in marked.keys() - there:
        await client.create_automation(marked[mark].model_copy(update={"tags": [TAG, owner, mark]}))
