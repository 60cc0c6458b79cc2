"""The command for whoever knows by now what was true."""

from typing import Annotated

import typer

from flows.cli.common import Json, Name, settings, without_secret


def labels(
    name: Name,
    data: Annotated[
        str,
        typer.Option("--data", callback=without_secret, help="Labels by prediction_id, or by the rows' own ids."),
    ],
    as_json: Json = False,
) -> None:
    """Take labels in, by the ids of answers or of rows; the next look of the monitor judges them."""
    from everfit.spec import load_spec
    from flows.cli import console
    from tasks.labels import keep_labels

    kept = keep_labels(load_spec(name, settings().models), data)
    if as_json:
        console.print_json(kept.to_dict())
        return
    for line in kept.lines:
        console.out.print(line, markup=False, soft_wrap=True)
    console.out.print(f"`everfit monitor {name}` judges them, and so does its next scheduled run.", markup=False)
