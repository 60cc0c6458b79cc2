"""What a person in a terminal sees: progress and results on it, errors in one block, JSON alone on stdout."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from everfit.errors import EverfitError
from flows.cli.live import Live

UNBROKEN = 1_000  # columns of a line in a file or a pipe, where nothing should be wrapped


def _console(stream: TextIO, *, stderr: bool = False) -> Console:
    free = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(stderr=stderr, highlight=False, width=UNBROKEN if free else None)


err = _console(sys.stderr, stderr=True)
out = _console(sys.stdout)
if TYPE_CHECKING:
    from everfit.checkup import Checkup
    from everfit.validation import Report, Result

answered = False  # whether stdout has its one JSON object
SHOWN = 10  # fields of an explanation
RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


class _Lines(logging.Handler):
    """Print each step's line; a line that says `passing` only moves the spinner's text, where there is one.

    On a terminal, the lines of a search that runs are one view that changes, which goes when it is over.
    """

    def __init__(self, status: Any, title: str) -> None:
        super().__init__(logging.INFO)
        self.status, self.title, self.live = status, title, Live()

    def listen_to(self, loggers: list[logging.Logger]) -> None:
        """Print what these loggers say."""
        for logger in loggers:
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record; Prefect's own bookkeeping lines stay in its UI."""
        text, step = record.getMessage(), getattr(record, "step", "")
        seen = getattr(record, "seen", None)
        if seen is not None and err.is_terminal:
            self.status.update(self.live.view(text, seen))
        elif getattr(record, "passing", False) and (err.is_terminal or not getattr(record, "milestone", False)):
            self.status.update(text)
        elif record.levelno < logging.ERROR and (step or record.levelno == logging.WARNING):  # errors come at the end
            style = "yellow" if record.levelno == logging.WARNING else ""
            self.status.update(self.title)
            err.print(f"[dim]{step:>14}[/]  {escape(text)}", style=style, soft_wrap=True)


@contextmanager
def progress(title: str) -> Iterator[Callable[[], None]]:
    """Show a spinner; from the call of what it yields on, also what the run says.

    That call comes after Prefect was imported: its import takes every handler off its loggers.
    """
    loggers = [logging.getLogger(name) for name in RUN_LOGGERS]
    with err.status(title) as status:
        if not err.is_terminal:
            err.print(title, style="dim")  # a log has no spinner
        lines = _Lines(status, title.partition(":")[0])
        try:
            yield lambda: lines.listen_to(loggers)
        finally:
            for logger in loggers:
                logger.removeHandler(lines)


@contextmanager
def told_of_ctrl_c() -> Iterator[None]:
    """Answer Ctrl-C at once: what runs takes seconds to end. Where it is ignored, as behind `&`, it stays so."""

    def answer(sign: int, frame: FrameType | None) -> None:
        err.print("Stopping because of Ctrl-C: what is recorded stays, and no further step is taken.", style="yellow")
        signal.default_int_handler(sign, frame)

    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGINT, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def print_json(facts: Mapping[str, Any]) -> None:
    """Write one JSON object, and nothing else, to stdout; non-finite numbers become null."""
    global answered
    answered = True
    sys.stdout.write(json.dumps(_plain(facts), default=str, allow_nan=False) + "\n")


def print_error(error: EverfitError) -> None:
    """Write what happened, then why it matters and what to do."""
    first, *rest = str(error).splitlines()
    err.print(first, style="bold red", markup=False, soft_wrap=True)
    for line in rest:
        err.print(line, markup=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> None:
    """Print a plain table to stdout; `numbers` are the columns that end at the right."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        shown.add_column(column, justify="right" if at in numbers else "left", no_wrap=at in numbers)
    for row in rows:
        shown.add_row(*map(escape, row))
    out.print(title, style="italic", markup=False, soft_wrap=True)
    out.print(shown)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def show(verb: str, result: Mapping[str, Any]) -> None:
    """Print what a command found, the verdict first."""
    SHOW[verb](result)


def _show_train(result: Mapping[str, Any]) -> None:
    out.print(f"[bold {'green' if result['promoted'] else 'yellow'}]{result['sentence']}[/]", soft_wrap=True)
    for reason in result["reasons"]:
        out.print(f"  {reason}", markup=False, soft_wrap=True)
    rows = [
        [who, *(f"{score[key]:.4g}" for key in ("value", "low", "high"))] for who, score in result["scores"].items()
    ]
    title = f"{result['metric']} on {result['rows']:,} rows that neither model saw"
    if rows:  # a refit is proven otherwise
        table(title, ["", "score", "low", "high"], rows, (1, 2, 3))
    if told := result.get("search"):
        _show_search(told)
    _where(result)


def _show_search(told: Mapping[str, Any]) -> None:
    """Print the best ten of a search, then what failed, and where there is more."""
    out.print(f"[bold]The search: {escape(told['headline'])}[/]", soft_wrap=True)
    for line in (*told["lines"], *told["notes"]):
        out.print(f"  {line}", markup=False, soft_wrap=True)
    if told["blend"]:
        out.print(f"  The blend: {', '.join(told['blend'])}", markup=False, soft_wrap=True)
    more = f", of {len(told['rows']) + told['more']} that were ranked" if told["more"] > 0 else ""
    table(f"Leaderboard{more}", told["columns"], told["rows"], (0, 2, 3, 4, 5))
    for why in told["failures"]:
        out.print(f"  {why}", style="yellow", markup=False, soft_wrap=True)
    _where({"report": told["page"]})


def _show_predict(result: Mapping[str, Any]) -> None:
    before = " before" if result["done_before"] else ""
    by = f"{result['model']} v{result['version']}{before}"
    out.print(f"{result['rows']:,} rows predicted by {by}: {result['output']}", markup=False, soft_wrap=True)
    for warning in result["warnings"]:
        out.print(f"  {warning}", style="yellow", markup=False)


def _show_backtest(result: Mapping[str, Any]) -> None:
    out.print(f"[bold]{escape(result['model'])}: {escape(result['headline'])}[/]", soft_wrap=True)
    for line in result["lines"]:
        out.print(f"  {line}", markup=False, soft_wrap=True)
    table(f"All began with one model: {result['first']}", result["columns"], result["rows"], range(1, 9))
    out.print(f"  {result['legend']}", style="dim", markup=False, soft_wrap=True)
    _where(result)


def _show_monitor(result: Mapping[str, Any]) -> None:
    colour = {"none": "green", "repair": "red"}.get(result["action"], "yellow")
    out.print(f"[bold {colour}]{result['model']}: {result['in_short']}[/]")
    wanted = result.get("wanted") or ("search" if result["verdict"] == "retrain" else "none")
    held = () if wanted in ("none", "repair") else result["blockers"]  # what nobody wanted is not held back
    happened = [result["diagnosis"]] if result.get("diagnosis") else []
    for line in (*happened, *result["reasons"], *(f"held back: {why}" for why in held), *result["next_steps"]):
        out.print(f"  {line}", markup=False, soft_wrap=True)
    for warning in result["warnings"]:
        out.print(f"  {warning}", style="yellow", markup=False, soft_wrap=True)
    if retraining := result.get("retraining"):
        if "scores" in retraining:
            _show_train(retraining)
        else:
            started = f"a retraining was started {retraining['started']}, for decision {retraining['decision']}"
            out.print(f"  {retraining.get('sentence', started)}", markup=False, soft_wrap=True)
    _where(result)
    if decision := result.get("decision"):
        out.print(f"  decision: {decision}", markup=False, soft_wrap=True)


def _where(result: Mapping[str, Any]) -> None:
    for title, key in (("report", "report"), ("MLflow run", "mlflow_run"), ("data version", "data")):
        if value := result.get(key):
            shown = _data(value) if key == "data" else value
            out.print(f"  {title}: {shown}", markup=False, soft_wrap=True)


def _data(data: Mapping[str, Any]) -> str:
    same = f", the data of {', '.join(f'v{version}' for version in data['same_as'])}" if data["same_as"] else ""
    return f"v{data['version']} {data['hash'][:12]}, {data['rows']:,} rows{same}"


def finish(verb: str, result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result for a program or for a person."""
    if as_json:
        print_json(result)
    else:
        show(verb, result)


def checkup(found: "Checkup") -> None:
    """Print what `everfit check` looked at, and the rules that did not hold on the sample."""
    for line in found.lines:
        out.print(line, markup=False, soft_wrap=True)
    if found.report:
        suite_report(found.report, failed_only=True)


def suite_report(report: "Report", *, failed_only: bool = False) -> None:
    """Print the rules of a suite and what became of them."""
    shown = [result for result in report.worst_first if not failed_only or result.outcome != "passes"]
    rows = [[r.outcome, r.column, r.expected, r.observed or r.why, _examples(r)] for r in shown]
    if rows:
        table(f"{report.origin}: {report.headline}", ["outcome", "column", "expected", "observed", "examples"], rows)
    elif not failed_only:
        out.print(report.headline)


def _examples(result: "Result") -> str:
    return ", ".join(example.value for example in result.examples[:3])


def _show_change(result: Mapping[str, Any]) -> None:
    out.print(result["sentence"], markup=False, soft_wrap=True)


def _show_replay(result: Mapping[str, Any]) -> None:
    """Print that a decision comes out again, or each value that does not; long ones are cut."""
    told = f"{result['model']}, {result['at'][:16]}: {result['verdict']}, action {result['action']}"
    colour = "green" if result["identical"] else "red"
    outcome = "identical" if result["identical"] else f"{len(result['differences'])} value(s) differ"
    out.print(f"[bold {colour}]{outcome}[/]")
    out.print(f"  {told}", markup=False, soft_wrap=True)
    for one in result["differences"][:50]:
        values = (json.dumps(one[side])[:200] for side in ("recorded", "now"))
        out.print(f"  {one['field']}: {' -> '.join(values)}", markup=False, soft_wrap=True)
    for note in result["notes"]:
        out.print(f"  {note}", style="yellow", markup=False, soft_wrap=True)


def _show_explain(result: Mapping[str, Any]) -> None:
    """Print contributions to one answer, or what matters over all of them; the largest ten."""
    about = f"{result['model']} v{result['version']}"
    if seen := result.get("overview"):
        rows = [[one["field"], *(f"{one[key]:.4g}" for key in ("mean", "low", "high"))] for one in seen["importances"]]
        title = f"{about}: mean size of contributions, in units of: {seen['scale']}"
        table(title, ["field", "mean", "low", "high"], rows[:SHOWN], (1, 2, 3))
        for line in (result["fidelity"], *(f"  {rule}" for rule in (seen["surrogate"] or {"rules": ()})["rules"])):
            out.print(line, markup=False, soft_wrap=True)
        return
    told, values = result["explanation"], result["values"]
    listed = [(each["field"], each["contribution"], each["error"]) for each in told["contributions"]]
    rows = [[field, values[field], f"{added:+.4g}", f"± {error:.2g}"] for field, added, error in listed[:SHOWN]]
    if others := listed[SHOWN:]:
        rows.append([f"{len(others)} others", "", f"{sum(added for _, added, _ in others):+.4g}", ""])
    out.print(f"[bold]{escape(about)} says {escape(str(told['prediction']))} of row {result['row']}[/]")
    title = f"{told['scale']}: {told['value']:.4g}, of which {told['base']:.4g} is the mean, and the rest is by"
    table(title, ["field", "value", "adds", "error"], rows, (2, 3))


SHOW: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "train": _show_train,
    "leaderboard": _show_search,
    "replay": _show_replay,
    "predict": _show_predict,
    "monitor": _show_monitor,
    "backtest": _show_backtest,
    "promote": _show_change,
    "rollback": _show_change,
    "explain": _show_explain,
}
