"""Run what the server schedules and triggers for this workspace, until told to stop.

    python -m flows.runner [train=MODULE.FLOW monitor=MODULE.FLOW]

`everfit up` starts it in a process and session of its own, so that Ctrl-C in the terminal does not reach the
flow runs: they are cancelled in order instead, and say so.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from uuid import UUID

from everfit.errors import EverfitError, Unavailable, first_line
from everfit.settings import Settings
from everfit.spec import model_names
from flows import deploy
from flows.apart import apart
from flows.server import START, api
from flows.talk import call

if TYPE_CHECKING:
    from prefect.runner import Runner

POLL = 2.0
ENDED = "already in terminal state"  # a last heartbeat that came after the end means nothing
BROKEN = 500  # from here on it is the server's own fault, which time may heal
LOOK = 10.0  # seconds between two looks at the model files and at failed automations


async def run(settings: Settings, url: str, entrypoints: Mapping[deploy.Flow, str] = deploy.ENTRYPOINTS) -> None:
    """Deploy, then run until SIGTERM or Ctrl-C; what runs then is cancelled and ends as Cancelled."""
    from prefect.runner import Runner

    runner = Runner(name="everfit", query_seconds=POLL, pause_on_shutdown=False)
    ids = await _redeploy(settings, url, runner, entrypoints)
    running = asyncio.create_task(runner.start())
    while not runner.started and not running.done():
        await asyncio.sleep(0.05)
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):  # after start(), which installs a handler that leaves runs running
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    looking = asyncio.create_task(_look_after(settings, url, runner, entrypoints, ids))
    told = asyncio.create_task(stopped.wait())
    await asyncio.wait({running, looking, told}, return_when=asyncio.FIRST_COMPLETED)
    looking.cancel()
    if not running.done():
        await runner.astop()
    await running
    if looking.done() and not looking.cancelled():
        looking.result()


async def _look_after(
    settings: Settings, url: str, runner: "Runner", entrypoints: Mapping[deploy.Flow, str], ids: list[UUID]
) -> None:
    """Follow the model files, let no queue grow, and say aloud what the server only whispers: failed automations."""
    known, since = _stamps(settings), datetime.now(UTC)
    while True:
        await asyncio.sleep(LOOK)
        if (now := _stamps(settings)) != known:
            try:
                ids, known = await _redeploy(settings, url, runner, entrypoints), now
            except EverfitError as mistake:  # what runs goes on while a file is edited or the server is away
                known = known if mistake.transient else now
                _say(f"model files changed, and nothing was deployed: {mistake}")
        with suppress(OSError):  # a server that is being started again is asked again
            await asyncio.to_thread(drop_missed, url, ids)
        since = await asyncio.to_thread(report_failures, url, since)


async def _redeploy(
    settings: Settings, url: str, runner: "Runner", entrypoints: Mapping[deploy.Flow, str]
) -> list[UUID]:
    planned = deploy.plan(settings)
    ids = await asyncio.to_thread(apart, _apply, settings, url, planned, entrypoints)
    for item, deployment in ids.items():
        await runner.aadd_deployment(_applied(item.model, deployment))
        _say(f"deployed {item}")
    return list(ids.values())


def _apply(
    settings: Settings, url: str, planned: Sequence[deploy.Planned], entrypoints: Mapping[deploy.Flow, str]
) -> dict[deploy.Planned, UUID]:
    """Deploy and drop what was missed; raise our errors, which unlike Prefect's own survive pickling."""
    from httpx import HTTPError as ClientError
    from prefect.exceptions import ObjectNotFound

    try:
        ids = deploy.apply(settings, planned, entrypoints)
        drop_missed(url, list(ids.values()))
    except ObjectNotFound as cause:
        what = f"Somebody deleted at {url} what was being deployed."
        raise Unavailable(what, do="It is deployed again.") from cause
    except (ClientError, ConnectionError) as cause:
        if _refused(cause):
            raise EverfitError(f"The Prefect API at {url} refused: {first_line(cause)}.") from cause
        what = f"The Prefect API at {url} cannot be reached: {first_line(cause)}."
        raise Unavailable(what, do="It is asked again.") from cause
    return ids


def _refused(cause: Exception) -> bool:
    """Whether the server answered, and will answer the same when it is asked again; from Prefect's client or `call`."""
    from httpx import HTTPStatusError

    if isinstance(cause, HTTPStatusError):
        return cause.response.status_code < BROKEN
    return isinstance(cause.__cause__, HTTPError) and cause.__cause__.code < BROKEN


def _applied(name: str, deployment: UUID) -> Any:
    """What a Runner takes to know a deployment that is on the server already."""
    from prefect.deployments.runner import RunnerDeployment

    class Applied(RunnerDeployment):
        async def aapply(self, *_: Any, **__: Any) -> UUID:
            return deployment

    return Applied(name=name)


def drop_missed(url: str, deployments: Sequence[UUID]) -> int:
    """Delete what the calendar asked for while nobody could run it, but the last of each: one makes up for all.

    That is what waits behind a run which takes longer than its interval, and what was missed while nothing was up.
    What a person or an event asked for stays.
    """
    scheduled = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    late = {
        "deployments": {"id": {"any_": [str(id_) for id_ in deployments]}},
        "flow_runs": scheduled | {"expected_start_time": {"before_": datetime.now(UTC).isoformat()}},
        "sort": "EXPECTED_START_TIME_DESC",
    }
    by_calendar = [run for run in call(f"{url}/flow_runs/filter", late) if run["auto_scheduled"]]
    last = set({run["deployment_id"]: run["id"] for run in reversed(by_calendar)}.values())
    missed = [run["id"] for run in by_calendar if run["id"] not in last]
    if not missed:
        return 0
    still = scheduled | {"id": {"any_": missed}}  # one that has begun meanwhile goes on
    return len(call(f"{url}/flow_runs/bulk_delete", {"flow_runs": still})["deleted"])


def report_failures(url: str, since: datetime) -> datetime:
    """Log each automation whose action failed since then: the server keeps that to an event that nobody reads."""
    until = datetime.now(UTC)
    occurred = {"since": since.isoformat(), "until": until.isoformat()}
    wanted = {"filter": {"occurred": occurred, "event": {"name": ["prefect.automation.action.failed"]}}}
    with suppress(OSError):
        for event in call(f"{url}/events/filter", wanted)["events"]:
            name = event["resource"].get("prefect.resource.name", "an automation")
            why = str(event["payload"].get("reason", event["payload"]))
            if ENDED not in why:
                _say(f"automation failed: {name}: {why}")
        return until
    return since


def _stamps(settings: Settings) -> dict[str, float]:
    stamps = {}
    for name in model_names(settings.models):
        with suppress(FileNotFoundError):  # it was listed, and is gone
            stamps[name] = (settings.models / f"{name}.yaml").stat().st_mtime
    return stamps


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def main(arguments: Sequence[str] = ()) -> int:
    """Find the workspace's server and run; return the exit code of what went wrong."""
    settings = Settings()
    said = dict(pair.split("=", 1) for pair in arguments)
    entrypoints = {flow: said.get(flow, path) for flow, path in deploy.ENTRYPOINTS.items()}
    try:
        with api(settings, patience=START) as url:
            asyncio.run(run(settings, url, entrypoints))
    except EverfitError as error:
        _say(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
