"""What every step shares: it is one Prefect task, timed, named after its model, retried only when time may heal it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from textwrap import shorten
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

from httpx import HTTPError
from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import MissingContextError, PrefectException
from prefect.logging import get_logger, get_run_logger
from prefect.runtime import flow_run

from everfit.errors import EverfitError, first_line

LONGEST_NAME = 110

P = ParamSpec("P")
R = TypeVar("R")

_SECONDS: ContextVar[dict[str, float] | None] = ContextVar("seconds", default=None)
_STEP: ContextVar[str] = ContextVar("step", default="")


def step(fn: Callable[P, R]) -> Task[P, R]:
    """Make a function of `spec` one step of a flow; its name is the verb that everybody sees.

    A flow keeps its result, a small record, so that its caller gets it even when the server's answer was lost. What
    travels between steps can be large, and is not kept.
    """
    name = fn.__name__

    @wraps(fn)
    def timed(*args: P.args, **kwargs: P.kwargs) -> R:
        started, token = perf_counter(), _STEP.set(name)
        try:
            return fn(*args, **kwargs)
        finally:
            _STEP.reset(token)
            if (seconds := _SECONDS.get()) is not None:
                seconds[name] = round(seconds.get(name, 0.0) + perf_counter() - started, 2)

    return task(
        name=name,
        task_run_name=name.replace("_", " ") + " {spec.name}",
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=2,
        retry_delay_seconds=[2, 15],
        retry_condition_fn=if_transient,
    )(timed)


def if_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Say whether a failure is one that the same call may survive later."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, EverfitError) and error.transient


@contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """Collect the seconds of each step that runs inside."""
    seconds: dict[str, float] = {}
    token = _SECONDS.set(seconds)
    try:
        yield seconds
    finally:
        _SECONDS.reset(token)


def seconds_so_far() -> dict[str, float]:
    """Return the seconds of the steps that have ended in this run."""
    return dict(_SECONDS.get() or {})


def say(
    text: str, *, passing: bool = False, milestone: bool = False, level: int = logging.INFO, seen: Any = None
) -> None:
    """Log one line of a step, for the Prefect UI and the terminal; `passing` lines only move a spinner.

    A `milestone` among them is for whoever has no spinner, too. `seen` is what a terminal may show instead of the line.
    """
    try:
        logger: Any = get_run_logger()
    except MissingContextError:
        logger = logging.getLogger("everfit")
    about = {"step": _STEP.get().replace("_", " "), "passing": passing, "milestone": milestone, "seen": seen}
    about["send_to_api"] = milestone or not passing
    logger.log(level, text, extra=about)


def rename_run(what: str, why: str) -> None:
    """Give the current flow run a name that says more, in one short line; without a run this does nothing.

    A name is for people: a server that does not take it is a warning, never the end of a run.
    """
    if not flow_run.id:
        return
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, name=shorten(f"{what}: {why}", LONGEST_NAME, placeholder="…"))
    except (HTTPError, PrefectException) as problem:
        get_logger("everfit").warning("the run could not be renamed: %s", first_line(problem))
