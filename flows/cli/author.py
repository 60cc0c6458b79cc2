"""Commands that write and check files: new, check, schema, suite."""

import json
from typing import Annotated

import typer

from flows.cli.common import Data, Json, Name, Time, settings

suite = typer.Typer(help="Draft and try validation suites.", no_args_is_help=True)

SuiteName = Annotated[str, typer.Argument(help="The suite: a file in expectations, without .yaml.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]


def new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, - and _.")],
    data: Data,
    target: Annotated[str, typer.Option("--target", help="The column to predict.")],
    time: Time = None,
    query: Annotated[str, typer.Option("--query", help="The SELECT, when --data is the URL of a database.")] = "",
    budget: Annotated[str, typer.Option("--budget", help="Time for a search: 60s, 10m, 1h.")] = "5m",
    force: Force = False,
) -> None:
    """Write the model file and a starter suite from a look at the data."""
    from everfit import scaffold
    from flows.cli.console import out

    written = scaffold.create(settings(), name, data, target, time=time, budget=budget, force=force, query=query)
    for path in written:
        out.print(f"wrote {path}", markup=False, soft_wrap=True)
    out.print(f"next: everfit check {name}")


def check(name: Name, as_json: Json = False) -> None:
    """Check the model file, its suites, and a sample of its data."""
    from everfit import checkup
    from flows.cli import console

    found = checkup.check(settings(), name)
    if as_json:
        console.print_json(found.to_dict())
    else:
        console.checkup(found)
    raise typer.Exit(found.exit_code)


def schema(
    suites: Annotated[bool, typer.Option("--suites", help="The schema of suite files instead.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write both beside the model files, for editors.")] = False,
) -> None:
    """Print the JSON Schema of model files (or suites), or write both."""
    from everfit import scaffold

    if write:
        for path in scaffold.write_schemas(settings()):
            typer.echo(f"wrote {path}")
    else:
        typer.echo(json.dumps(scaffold.schemas()["suite" if suites else "model"], indent=2))


@suite.command()
def draft(name: SuiteName, data: Data, time: Time = None, force: Force = False) -> None:
    """Propose a suite from data."""
    from everfit import scaffold

    path = scaffold.draft_suite(settings(), name, data, time=time, force=force)
    typer.echo(f"wrote {path}: read it, drop what must not stop a run, then everfit suite test {name} --data ...")


@suite.command()
def test(name: SuiteName, data: Data, as_json: Json = False) -> None:  # noqa: PT028 - a command, not a test
    """Run a suite on data and show what passes."""
    from everfit import checkup
    from flows.cli import console

    report = checkup.try_suite(settings(), name, data)
    if as_json:
        console.print_json(report.to_dict())
    else:
        console.suite_report(report)
    raise typer.Exit(0 if report.ok else 3)
