"""How a run that failed on purpose ends: with what happened and what to do, and nothing before it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect.states import Failed

from everfit.errors import EverfitError

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
            return fn(*args, **kwargs)
        except EverfitError as error:
            return Failed(message=str(error)[:MESSAGE], data=error)

    return told
