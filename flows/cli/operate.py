"""Commands for whoever runs the service: deploy, up, demo."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.common import settings


def deploy() -> None:
    """Bring the deployments of the Prefect server in line with the model files."""
    from flows.cli.console import out
    from flows.deploy import deploy as derive

    for line in derive(settings()):
        out.print(str(line))


def up() -> None:
    """Run everything: Prefect server and UI, MLflow UI, reports, all schedules and triggers. Ctrl-C stops it."""
    from flows.up import up as run_everything

    run_everything(settings())


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo makes its workspace.")] = Path(
        ".everfit/demo"
    ),
) -> None:
    """Live through the whole story in three minutes, on a simulated stream."""
    from flows.demo import tell

    tell(folder)
