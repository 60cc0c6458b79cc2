"""Let other machines have a part in a search, where the settings say so."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import Context
from dataclasses import asdict
from typing import Any

from prefect import task
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from everfit import evaluation
from everfit.errors import InputError, Unavailable
from everfit.search.hosts import Shared
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import Prepared
from tasks.given import identity
from tasks.steps import say

Start = Sequence[tuple[str, dict[str, Any]]]
DEPLOYMENT = "along/search"  # the flow and the deployment of a helper on a work pool


def called(spec: ModelSpec, prepared: Prepared) -> str:
    """Name a search by its model and all that decides what it finds; what the month has left is no part of it."""
    return f"{spec.name}/{identity(spec, prepared)}"


@contextmanager
def helpers(
    settings: Settings, spec: ModelSpec, prepared: Prepared, budget: float, start: Start
) -> Iterator[Shared | None]:
    """Yield where the hosts of a search meet, or None when it is one machine's, or another training leads it.

    What it is about is written down there, and helpers are asked for; each ends by itself when the search does.
    """
    if not settings.search_storage:
        yield None
        return
    from everfit.search import studies  # imports Optuna

    name = called(spec, prepared)
    files = f"{_files(settings, spec.name)}/{name.split('/')[1]}"
    with studies.leading(Shared(settings.search_storage, name, files)) as shared:
        if shared is None:
            say(f"another training leads {name} already, so this one searches alone", level=logging.WARNING)
            yield None
            return
        job = {
            "start": start,
            "spec": spec.model_dump(mode="json"),
            "snapshot": asdict(prepared.snapshot),
            "files": shared.files,
        }
        greater = evaluation.metric(prepared.metric, prepared.task).greater
        shared = studies.announce(shared, job, budget=budget, greater=greater)
        try:
            with _asked(settings, shared):
                yield shared
        except BaseException:
            studies.give_up(shared)
            raise


@contextmanager
def _asked(settings: Settings, shared: Shared) -> Iterator[None]:
    engine, _, where = settings.search_on.partition(":")
    if engine:
        say(f"{settings.search_helpers} helper(s) asked for on {settings.search_on}")
    with _on_dask(shared, where, settings.search_helpers) if engine == "dask" else nullcontext():
        if engine == "pool":
            _on_pool(shared, settings.search_helpers)
        yield


def part(settings: Settings, model: str) -> None:
    """Remove what hosts left of all searches of a model, when the result of one has been used."""
    if settings.search_storage:
        from everfit.search import studies

        studies.sweep(settings.search_storage, f"{model}/", _files(settings, model))


def _files(settings: Settings, model: str) -> str:
    return f"{settings.lake_uri.rstrip('/')}/{model}/search"


def _on_pool(shared: Shared, count: int) -> None:
    try:
        for _ in range(count):
            run_deployment(DEPLOYMENT, parameters={"search": shared.name}, timeout=0, as_subflow=False)
    except ObjectNotFound as cause:
        raise InputError(
            f"There is no deployment '{DEPLOYMENT}' to ask for helpers.",
            do="Run `everfit deploy` with the same EVERFIT_SEARCH_ON, and try again.",
        ) from cause


@contextmanager
def _on_dask(shared: Shared, address: str, count: int) -> Iterator[None]:
    """Have helpers run as Prefect tasks on a Dask cluster, for as long as the block lasts."""
    from prefect_dask.task_runners import DaskTaskRunner

    with ExitStack() as held:
        try:
            runner = held.enter_context(DaskTaskRunner(address=address))
            apart = Context()  # what this run knows of itself would travel as well, and cannot
            futures = [apart.run(runner.submit, _help, {"search": shared.name}) for _ in range(count)]
        except OSError as cause:
            raise Unavailable.at("The Dask scheduler", address, cause) from cause
        yield
        for future in futures:
            future.wait(timeout=10)  # each is told when the search ends


@task(name="along", task_run_name="along {search}")
def _help(search: str) -> int:
    """Work for a search. A task goes to Dask with all that it names, of which not everything could travel."""
    from tasks.along import along

    return along(search)
