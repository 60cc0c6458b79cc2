"""The commands of `everfit`, in the order of a first day: author, run, look, govern, operate.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from everfit.threads import use_one_thread
from flows.cli import author, explain, extras, govern, label, look, operate, run, serve

UsageError: Any = typer.BadParameter.__base__  # click's, or that of the click inside a newer typer

app = typer.Typer(
    help="Production AutoML that keeps tabular models fit. Run it in the folder that holds your models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _common(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if debug:
        os.environ["EVERFIT_DEBUG"] = "1"
    extras.require(context.invoked_subcommand or "")


COMMANDS: tuple[Callable[..., None], ...] = (
    *(author.new, author.check, author.schema),
    *(run.train, run.stop, run.predict, label.labels, run.monitor, run.backtest),
    *(look.leaderboard, look.replay, explain.explain, serve.serve),
    *(govern.promote, govern.rollback, govern.history),
    *(operate.deploy, operate.up, operate.demo),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(author.suite, name="suite")
app.add_typer(govern.audit, name="audit")


def main() -> None:
    """Run a command; a known error is one block on stderr and its own exit code."""
    use_one_thread()
    try:
        sys.exit(app(standalone_mode=False))
    except UsageError as usage:
        sys.exit(_explain_usage(usage))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last place where an error can be put into words
        sys.exit(_explain(error))


def _explain_usage(usage: Any) -> int:
    from flows.cli import console

    if "--json" in sys.argv:
        console.print_json({"error": usage.format_message(), "details": [], "why": "", "do": "See --help."})
    usage.show()
    return int(usage.exit_code)


def _explain(error: Exception) -> int:
    from everfit.errors import EverfitError
    from flows.cli import console

    if os.environ.get("EVERFIT_DEBUG"):
        console.err.print_exception()
    if isinstance(error, EverfitError):
        if "--json" in sys.argv and not console.answered:
            console.print_json({"error": error.what, "details": error.details, "why": error.why, "do": error.do})
        console.print_error(error)
        return error.exit_code
    what = f"everfit stopped on an error of its own: {type(error).__name__}: {error}"
    do = "Please report it, with what the same command prints after `everfit --debug`."
    if "--json" in sys.argv and not console.answered:
        console.print_json({"error": what, "details": [], "why": "", "do": do})
    console.print_error(EverfitError(what, do=do))
    return 1
