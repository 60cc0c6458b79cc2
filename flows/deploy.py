"""Derive Prefect's deployments and automations from the model files, and keep the server in step with them.

Nothing is written twice: the model file says the schedule, and this says what follows from it. Applying an
unchanged file changes nothing on the server, so schedules paused there stay paused.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from everfit.errors import InputError, SpecError, first_line
from everfit.settings import Settings
from everfit.spec import ModelSpec, load_spec, model_names, write_duration
from flows import automations
from flows.server import api

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.events.schemas.automations import AutomationCore

Flow = Literal["train", "monitor", "predict"]
ENTRYPOINTS: dict[Flow, str] = {
    "train": "flows.train.train",
    "monitor": "flows.monitor.monitor",
    "predict": "flows.predict.predict",
}
CRON_KEYS: dict[Flow, str] = {"train": "retrain.schedule", "predict": "predict.schedule"}
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)  # fixed, so that deploying again does not move the schedule


@dataclass(frozen=True)
class Planned:
    """One deployment that follows from a model file."""

    flow: Flow
    model: str
    what: str
    cron: str | None = None
    seconds: float | None = None
    owner: str = ""
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name as Prefect shows it."""
        return f"{self.flow}/{self.model}"

    @property
    def trigger(self) -> str:
        """What starts it, in words."""
        if self.seconds:
            return f"every {write_duration(timedelta(seconds=self.seconds))}"
        event = "when the monitor wants it" if self.flow == "train" else ""
        return ", ".join(part for part in (f"at {self.cron} (UTC)" if self.cron else "", event) if part) or "when asked"

    def __str__(self) -> str:
        return f"{self.name:<30} {self.trigger}"


def plan(settings: Settings) -> tuple[Planned, ...]:
    """Read every model file and return what is to be deployed; raise the mistakes of all files at once."""
    specs, mistakes = [], []
    for name in model_names(settings.models):
        try:
            specs.append(load_spec(name, settings.models))
        except InputError as mistake:
            mistakes.append(mistake)
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise SpecError(f"{len(mistakes)} model files have mistakes.", details=[str(mistake) for mistake in mistakes])
    return tuple(planned for spec in specs for planned in _of_model(spec))


def _of_model(spec: ModelSpec) -> tuple[Planned, ...]:
    every = spec.monitor.every.total_seconds() if spec.monitor.every else None
    said = tuple(f"{key}:{value}" for key, value in spec.tags.items())
    tags = (automations.TAG, f"model:{spec.name}", *((f"owner:{spec.owner}",) if spec.owner else ()), *said)
    train = "Learn a challenger; it takes over only when it proves better."
    watch = "Compare what came in with what the champion learnt, and decide."
    score = "Score the rows of the model file's input with the champion; the same rows once."
    planned = (
        Planned("train", spec.name, train, cron=spec.retrain.schedule, owner=spec.owner, tags=tags),
        Planned("monitor", spec.name, watch, seconds=every, owner=spec.owner, tags=tags),
    )
    if not (spec.predict.input and spec.predict.output):
        return planned
    return (*planned, Planned("predict", spec.name, score, cron=spec.predict.schedule, owner=spec.owner, tags=tags))


def deploy(settings: Settings, *, entrypoints: Mapping[Flow, str] = ENTRYPOINTS) -> tuple[Planned, ...]:
    """Bring the Prefect server in step with the model files. They run only while `everfit up` or a runner does."""
    planned = plan(settings)
    with api(settings):
        apply(settings, planned, entrypoints)
        _deploy_helper(settings)
    return planned


def _deploy_helper(settings: Settings) -> None:
    """Let the workers of a pool have a part in searches, where the settings name one; raise when it is not there."""
    from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
    from prefect.types.entrypoint import EntrypointType

    from flows.along import along

    engine, _, pool = settings.search_on.partition(":")
    if engine != "pool":
        return
    module = EntrypointType.MODULE_PATH
    try:
        RunnerDeployment.from_flow(along, name="search", work_pool_name=pool, entrypoint_type=module).apply()
    except (DeploymentApplyError, ValueError) as cause:
        raise InputError(
            f"Helpers cannot be deployed to the work pool '{pool}': {first_line(cause)}.",
            do=f"Make it with `prefect work-pool create {pool} --type process`, or correct EVERFIT_SEARCH_ON.",
        ) from cause


def apply(
    settings: Settings, planned: Sequence[Planned], entrypoints: Mapping[Flow, str] = ENTRYPOINTS
) -> dict[Planned, UUID]:
    """Create what is missing, change what differs, remove what no model file asks for any more.

    The Prefect API must be connected (`flows.server.api`).
    """
    return asyncio.run(_apply(settings, planned, entrypoints))


async def _apply(
    settings: Settings, planned: Sequence[Planned], entrypoints: Mapping[Flow, str]
) -> dict[Planned, UUID]:
    from prefect.client.orchestration import get_client
    from prefect.flows import load_flow_from_entrypoint

    flows: dict[Flow, Any] = {name: load_flow_from_entrypoint(entrypoints[name]) for name in {i.flow for i in planned}}
    ids = {}
    async with get_client() as client:
        for item in planned:
            ids[item] = await _upsert(client, settings, item, flows[item.flow], entrypoints[item.flow])
        await _remove_others(client, settings, set(ids.values()))
        await automations.apply(client, _automations(ids), owner=workspace_mark(settings))
    return ids


async def _upsert(client: "PrefectClient", settings: Settings, item: Planned, flow: Any, entrypoint: str) -> UUID:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import VersionInfo
    from prefect.exceptions import ObjectNotFound

    wanted = _definition(settings, item, flow, entrypoint)
    version = f"{workspace_mark(settings)}.{automations.digest(wanted)}"
    with suppress(ObjectNotFound):
        there = await client.read_deployment_by_name(f"{flow.name}/{item.model}")
        if there.version == version:
            return there.id
    schedules = [DeploymentScheduleCreate(**schedule) for schedule in wanted.pop("schedules")]
    info = VersionInfo(type="everfit", version=version)
    flow_id = await client.create_flow_from_name(flow.name)
    return await client.create_deployment(flow_id, version=version, version_info=info, schedules=schedules, **wanted)


def _definition(settings: Settings, item: Planned, flow: Any, entrypoint: str) -> dict[str, Any]:
    """Everything that the server is told about a deployment, in JSON's own types."""
    return {
        "name": item.model,
        "description": _describe(settings, item),
        "tags": list(item.tags),
        "schedules": _schedules(settings, item),
        "concurrency_limit": 1,
        "concurrency_options": {"collision_strategy": "ENQUEUE"},  # each run that somebody asked for has its reason
        "parameters": {"model": item.model} | ({"reason": "on schedule"} if item.flow == "train" else {}),
        "entrypoint": entrypoint,
        "parameter_openapi_schema": flow.parameters.model_dump(exclude_unset=True),
        "enforce_parameter_schema": True,
    }


def _schedules(settings: Settings, item: Planned) -> list[dict[str, Any]]:
    from prefect.client.schemas.schedules import CronSchedule

    if item.seconds:
        return [{"schedule": {"interval": item.seconds, "anchor_date": ANCHOR.isoformat()}, "active": True}]
    if not item.cron:
        return []
    try:
        CronSchedule(cron=item.cron, timezone="UTC")
    except ValueError as cause:
        raise SpecError(
            f"{settings.models / item.model}.yaml: {CRON_KEYS[item.flow]}: '{item.cron}' is not a cron line.",
            do="Write minute, hour, day, month, weekday: '0 3 * * 1' is each Monday at three.",
        ) from cause
    return [{"schedule": {"cron": item.cron, "timezone": "UTC"}, "active": True}]


def _describe(settings: Settings, item: Planned) -> str:
    file = settings.models / f"{item.model}.yaml"
    owner = f" Ask {item.owner}." if item.owner else ""
    return f"{item.what} Runs {item.trigger}. Derived from `{file.relative_to(settings.workspace)}`.{owner}"


async def _remove_others(client: "PrefectClient", settings: Settings, kept: set[UUID]) -> None:
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[automations.TAG]))
    for deployment in await client.read_deployments(deployment_filter=tagged):
        ours = (deployment.version or "").startswith(f"{workspace_mark(settings)}.")
        if ours and deployment.id not in kept:
            await client.delete_deployment(deployment.id)


def workspace_mark(settings: Settings) -> str:
    """Tell our deployments from another workspace's on the same server: who shares a ledger is one workspace."""
    return automations.digest(settings.ledger_url)


def _automations(ids: Mapping[Planned, UUID]) -> list["AutomationCore"]:
    return [
        automations.lost_runs(),
        *(automations.retrain_when_wanted(item.model, id_) for item, id_ in ids.items() if item.flow == "train"),
    ]
