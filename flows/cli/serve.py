"""The command for whoever wants answers over HTTP."""

from typing import Annotated

import typer

from flows.cli.common import Name, settings


def serve(
    name: Name,
    host: Annotated[str, typer.Option("--host", help="The address to listen at; 0.0.0.0 is everybody.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen at.")] = 8000,
) -> None:
    """Answer predictions over HTTP from the champion, whoever that is."""
    from everfit.serving.running import run
    from everfit.spec import load_spec

    here = settings()
    run(load_spec(name, here.models), here, host, port)
