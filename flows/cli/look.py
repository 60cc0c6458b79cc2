"""The commands that look again at what was found and decided: leaderboard, replay."""

from typing import Annotated

import typer

from flows.cli.common import Json, Name, settings

Decision = Annotated[str, typer.Argument(help="The id of a decision, or how it begins: everfit history shows it.")]


def leaderboard(name: Name, as_json: Json = False) -> None:
    """Show the last search again: what won, the best ten, what failed, and where the report lies."""
    from everfit.errors import InputError
    from everfit.report import latest
    from everfit.spec import load_spec
    from flows.cli import console

    here = settings()
    told = latest(here.home / "reports" / name)
    if told is None:
        load_spec(name, here.models)  # a name without a file is another mistake
        raise InputError(f"{name}: no search has ended in {here.home} yet.", do=f"Run everfit train {name}.")
    console.finish("leaderboard", told, as_json)


def replay(decision: Decision, as_json: Json = False) -> None:
    """Make a decision about drift again from what was known then; say that it is identical, or what differs (1)."""
    from everfit.ledger import Ledger
    from everfit.monitor import replay as again
    from everfit.spec import load_spec
    from flows.cli import console

    here = settings()
    entry = again.find(Ledger.of(here).entries(kinds=["drift_judged"]), decision)
    found = again.replay(entry, None if "policy" in entry.facts else load_spec(entry.model, here.models))
    console.finish("replay", {**found.to_dict(), "identical": found.identical}, as_json)
    raise typer.Exit(0 if found.identical else 1)
