"""Run everything of a workspace in one command: Prefect server and UI, MLflow UI, reports, schedules and triggers.

Each part is a child on a leash. One that dies is started again; one that keeps dying ends everything, with what
it said last. Everything listens on this machine only.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from everfit.settings import Settings
from flows import server
from flows.apart import apart
from flows.deploy import ENTRYPOINTS, Flow, Planned, plan
from flows.parts import Deaths, Part, at, module, said_by
from flows.ports import HOST, answers
from flows.talk import CONSOLE, drain
from tasks import addresses

PORTS = {"prefect": 4200, "mlflow": 5000, "reports": 4280}
READY = 90.0
API = "EVERFIT_PREFECT_API"
CANCEL = 60.0  # a flow run that is in the middle of a fit takes its time to notice


def up(settings: Settings, *, entrypoints: Mapping[Flow, str] = ENTRYPOINTS) -> None:
    """Run until Ctrl-C or SIGTERM; raise Unavailable when a part cannot be kept alive."""
    out = Console(highlight=False)
    planned = plan(settings)
    with _stoppable(), addresses.announced(settings) as say, _parts(settings, entrypoints) as (prefect, parts):
        urls = {"prefect": prefect.url.removesuffix("/api"), **{part.name: part.url for part in parts if part.url}}
        if settings.mlflow_uri.startswith("http"):
            urls["mlflow"] = settings.mlflow_uri
        say(urls)
        _wait_until_open(parts)
        _show(out, urls, planned)
        _watch(settings, out, prefect, parts, say)
    out.print("Stopped.")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end things as Ctrl-C does, and neither be an error."""
    signs = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # SIGINT is ignored in what a script put into background
    before = [signal.signal(sign, signal.default_int_handler) for sign in signs]
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for sign, handler in zip(signs, before, strict=True):
            signal.signal(sign, handler)


@contextmanager
def _parts(settings: Settings, entrypoints: Mapping[Flow, str]) -> Iterator[tuple[server.Server, list[Part]]]:
    """Start all of them; stop them in order: first what runs flows, last what keeps their records."""
    prefect = server.api(settings, port=PORTS["prefect"])
    parts: list[Part] = []
    try:
        if not settings.mlflow_uri.startswith("http"):
            parts.append(_mlflow(settings))
        parts.append(_reports(settings))
        for part in parts:
            part.start()
        prefect.wait()
        parts.append(_runner(settings, prefect.url, entrypoints))
        parts[-1].start()
        yield prefect, parts
    finally:
        for part in reversed(parts):
            part.stop()
        drain(prefect.url, prefect.began)
        prefect.stop()


def _mlflow(settings: Settings) -> Part:
    apart(_prepare_mlflow, settings)  # two processes that create its database at once crash
    environment = {
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": settings.mlflow_artifacts,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that nobody needs
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),  # it looks for uvicorn
    }
    return _part(settings, "mlflow", environment, lambda port: module("mlflow", "server", *at(port), "--workers", "1"))


def _prepare_mlflow(settings: Settings) -> None:
    from everfit import registry

    registry.prepare(settings)


def _reports(settings: Settings) -> Part:
    folder = str(settings.folder("reports"))
    return _part(
        settings,
        "reports",
        {},
        lambda port: module("http.server", str(port), "--bind", HOST, "--directory", folder),
    )


def _runner(settings: Settings, url: str, entrypoints: Mapping[Flow, str]) -> Part:
    said = [f"{flow}={path}" for flow, path in entrypoints.items()]
    environment = {CONSOLE: "INFO", API: url}  # it waits for our server, and starts none when ours has died
    part = _part(settings, "runner", environment, lambda _: module("flows.runner", *said))
    part.grace, part.cwd = CANCEL, settings.workspace
    return part


def _part(settings: Settings, name: str, environment: dict[str, str], command: Callable[[int], list[str]]) -> Part:
    env = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"} | said_by(settings) | environment
    log = settings.folder("logs") / f"{name}.log"
    return Part(name, log, command, env, settings.home, port=PORTS.get(name, 0))


def _wait_until_open(parts: list[Part]) -> None:
    """Return when every page answers, or time is up: the watch that follows says what is wrong."""
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and not all(answers(part.port) for part in parts if part.port):
        for part in parts:
            part.look()
        time.sleep(0.2)


def _show(out: Console, urls: Mapping[str, str], planned: tuple[Planned, ...]) -> None:
    pages = Table("page", "address", box=None, pad_edge=False)
    for name, url in urls.items():
        pages.add_row(name, url)
    runs = Table("deployment", "runs", box=None, pad_edge=False)
    for item in planned:
        runs.add_row(item.name, item.trigger)
    out.print(pages, "\n")
    out.print(runs if planned else "There are no model files yet; `everfit new` writes one.", "\n")
    out.print("Ctrl-C stops it all.")


def _watch(
    settings: Settings, out: Console, prefect: server.Server, parts: list[Part], say: Callable[[dict[str, str]], None]
) -> None:
    """Keep everything alive; return never."""
    deaths = Deaths("Prefect server", server.log_of(settings))
    while True:
        time.sleep(0.5)
        if not prefect.alive:
            _revive(prefect, deaths, parts[-1])
            out.print(f"The Prefect server had ended and was started again; its log is {deaths.log}.")
            say(addresses.read(settings) | {"prefect": prefect.url.removesuffix("/api")})
        for part in parts:
            if part.look():
                out.print(f"The {part.name} had ended and was started again; its log is {part.log}.")
                say(addresses.read(settings) | ({part.name: part.url} if part.url else {}))


def _revive(prefect: server.Server, deaths: Deaths, runner: Part) -> None:
    """Start the server again; the runner and what it runs go on, unless the address is another one."""
    deaths.add(prefect.process.returncode if prefect.process else None)
    before = prefect.url
    prefect.restart()
    if prefect.url != before:
        runner.stop()
        runner.env[API] = prefect.url
        runner.start()
