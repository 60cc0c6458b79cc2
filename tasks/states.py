"""How a run ends that failed on purpose, with what happened and what to do; and one that is told to end, at all."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect.states import Failed

from everfit.errors import EverfitError
from tasks.signals import heeded

P = ParamSpec("P")
MESSAGE = 5_000


def plainly(fn: Callable[P, Any]) -> Callable[P, Any]:
    """Wrap a flow's function: its EverfitErrors become the state's message, word for word.

    Whoever called the flow still gets the error raised. Anything else stays as Prefect tells it, with its traceback.

        @flow(name="train")
        @plainly
        def train(model: str) -> Any: ...
    """

    @wraps(fn)
    def told(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            with heeded():
                return fn(*args, **kwargs)
        except EverfitError as error:
            return Failed(message=str(error)[:MESSAGE], data=error)

    return told
