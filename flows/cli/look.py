"""The command that looks again at what was found: leaderboard."""

from flows.cli.common import Json, Name, settings


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
