"""The whole story in three minutes: a model is trained, watched, fed with faults, overtaken by the world, renewed."""

import os
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any

from rich.rule import Rule

from everfit import scaffold
from everfit.errors import EverfitError, InputError, ValidationStopped
from everfit.ledger import Entry, Ledger
from everfit.settings import Settings
from everfit.simulation import CHANGE, Fault, rentals
from flows.cli import console
from flows.server import api, connected

MODEL = "rentals"
BUDGET = "15s"
SHORT = 60
MARK = ".made-by-everfit-demo"

# One batch a week. The last of the old world has broken rows; the first of the new one comes twice, since the
# provider first sends its temperatures in Fahrenheit.
WEEKS: tuple[tuple[str, int, Fault | None, str], ...] = (
    ("week-1", 52, None, "a clean week: predict, then compare with what happened"),
    ("week-2", 59, None, "another clean week"),
    ("week-3", 66, "rows", "a week with some broken rows: they go to quarantine, the rest is used"),
    ("week-4-fahrenheit", 73, "unit", "a week whose temperatures came in Fahrenheit: it is refused whole"),
    ("week-4", 73, None, f"the same week, repaired; but on {CHANGE:%d %B} the world changed"),
    ("week-5", 80, None, "the week after"),
    ("week-6", 87, None, "another one: the third in the new world"),
)

SAYINGS: dict[str, str] = {
    "ingested": "took in",
    "refused_batch": "refused",
    "drift_judged": "judged",
    "retrain_wanted": "wanted",
    "promotion_refused": "kept",
    "promoted": "promoted",
}

Happened = Callable[[Entry], bool]

ONCE: dict[str, Happened] = {
    "a first model became champion": lambda entry: entry.kind == "promoted" and entry.facts["replaced"] is None,
    "broken rows went to quarantine": lambda entry: entry.kind == "ingested" and entry.facts.get("quarantined", 0) > 0,
    "a batch was refused": lambda entry: entry.kind == "refused_batch",
}

# How often depends on the model that was found: one that the change hurts more has more done about it.
AT_LEAST_ONCE: dict[str, Happened] = {
    "the champion learnt again from newer rows": lambda entry: (
        entry.kind == "promoted" and entry.reason.startswith("refit")
    ),
    "the loss was found to have risen": lambda entry: (
        entry.kind == "drift_judged" and entry.facts["verdict"] == "retrain"
    ),
}


def tell(folder: Path) -> None:
    """Live through it in a fresh workspace; what an earlier demo left there is removed first.

    Raise EverfitError when a part of the story did not happen.
    """
    settings = _workspace(folder)
    console.out.print(
        "[bold]A bike-rental service, simulated.[/] Its model is trained once and then has to keep itself fit."
    )
    server = api(settings)
    with connected(settings, server.url):
        flows = {name: getattr(import_module(f"flows.{name}"), name) for name in ("train", "predict", "monitor")}
    with console.progress("demo") as listen, server:
        listen()
        _chapter("The first model", "everfit new, then `holdout: 2d` in its model file, everfit train")
        _first_model(settings, flows["train"])
        for name, first_day, fault, title in WEEKS:
            _chapter(title, f"everfit monitor {MODEL} --data data/{name}.parquet")
            _week(name, first_day, fault, flows)
    _timeline(settings)
    _prove(Ledger.of(settings).entries(MODEL))


def _workspace(folder: Path) -> Settings:
    """Make the demo's folder the current one; raise InputError rather than touch one that no demo made."""
    folder = folder.resolve()
    _remove_former(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} holds something that is not of a demo.",
            why="A demo makes its whole workspace anew, and the next one removes it.",
            do="Name a folder that is empty or not there yet: everfit demo --folder NAME",
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    (folder / "data").mkdir(exist_ok=True)
    os.chdir(folder)
    foreign = {"PREFECT_API_URL", *(name for name in os.environ if name.startswith("EVERFIT_"))} - {"EVERFIT_DEBUG"}
    for name in foreign & os.environ.keys():
        del os.environ[name]
    return Settings()


def _remove_former(folder: Path) -> None:
    """Remove what a demo made there. It goes aside first: a removal that is killed may have taken the mark already."""
    aside = folder.with_name(f".{folder.name}{MARK}")
    if aside.exists():
        shutil.rmtree(aside)
    if (folder / MARK).exists():
        folder.rename(aside)
        shutil.rmtree(aside)


def _first_model(settings: Settings, train: Callable[..., Any]) -> None:
    rentals(0, 52).to_parquet("data/history.parquet", index=False)
    scaffold.create(settings, MODEL, "data/history.parquet", "rentals", time="hour", budget=BUDGET, force=True)
    path = settings.models / f"{MODEL}.yaml"
    path.write_text(path.read_text().replace("{holdout: 0.2}", "{holdout: 2d}"))
    console.show("train", train(MODEL, reason="the first model"))


def _week(name: str, first_day: int, fault: Fault | None, flows: dict[str, Callable[..., Any]]) -> None:
    frame = rentals(first_day, 7, fault=fault)
    frame.to_parquet(f"data/{name}.parquet", index=False)
    if name in ("week-1", "week-2"):
        frame.drop(columns="rentals").to_parquet(f"data/{name}-unlabelled.parquet", index=False)
        console.show(
            "predict", flows["predict"](MODEL, f"data/{name}-unlabelled.parquet", f"data/{name}-predicted.parquet")
        )
    try:
        console.show("monitor", flows["monitor"](MODEL, f"data/{name}.parquet"))
    except ValidationStopped as stop:
        console.print_error(stop)


def _chapter(title: str, command: str) -> None:
    console.out.print()
    console.out.print(Rule(f"[bold]{title}[/]", align="left", style="dim"))
    console.out.print(f"[dim]$ {command}[/]")


def _timeline(settings: Settings) -> None:
    entries = [entry for entry in Ledger.of(settings).entries(MODEL) if entry.kind in SAYINGS]
    rows = [[f"{entry.at:%H:%M:%S}", SAYINGS[entry.kind], _short(entry)] for entry in entries]
    console.out.print()
    console.table("What happened", ["UTC", "", ""], rows)
    judged = [entry for entry in entries if entry.kind == "drift_judged" and entry.facts["verdict"] == "retrain"]
    refused = [entry for entry in entries if entry.kind == "refused_batch"]
    trained = Ledger.of(settings).entries(MODEL, kinds=["registered"])
    for title, where in (
        ("drift report", judged[-1].facts["page"] if judged else ""),
        ("data report", refused[-1].facts["page"] if refused else ""),
        ("MLflow run", f"{trained[-1].facts['run']} in {settings.mlflow_uri}" if trained else ""),
        ("ledger", f"{settings.home / 'ledger.db'} (everfit history {MODEL}, everfit audit verify)"),
        ("to look around", f"cd {settings.workspace} && everfit up"),
    ):
        console.out.print(f"{title:>15}: {where or 'none'}", soft_wrap=True, markup=False)


def _prove(entries: list[Entry]) -> None:
    counts = {part: sum(map(happened, entries)) for part, happened in {**ONCE, **AT_LEAST_ONCE}.items()}
    wrong = [f"{part}: {count} times" for part, count in counts.items() if count < 1 or (part in ONCE and count > 1)]
    if wrong or not _mended(entries):
        raise EverfitError(
            "The demo did not go as its story says.",
            details=wrong or ["the loss stayed high, and no search followed"],
            do=f"everfit history {MODEL}, in the folder of the demo, says what happened instead.",
        )


def _mended(entries: list[Entry]) -> bool:
    """Say whether refits brought the quality back, or a search was asked for when they did not."""
    judged = [entry.facts["verdict"] for entry in entries if entry.kind == "drift_judged"]
    searches = [entry for entry in entries if entry.kind == "retrain_wanted" and entry.facts.get("how") == "search"]
    return bool(searches) or judged[-1:] != ["retrain"]


def _short(entry: Entry) -> str:
    """Say what happened in half a line; the ledger has the whole."""
    judged = entry.kind == "drift_judged"
    text = f"{entry.facts['verdict'].partition(':')[0]}: {entry.reason}" if judged else entry.summary
    return shorten(text, SHORT, placeholder="…")
