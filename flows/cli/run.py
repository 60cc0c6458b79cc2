"""Commands that run a flow: train, predict, monitor, backtest."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.common import Json, Name, Reason, settings, without_secret

# What starts a process of its own, whose imports take seconds: they go by while the server starts.
WARM = {"train": ("everfit.validation", "everfit.search"), "monitor": ("everfit.validation",), "predict": (),
        "backtest": ("everfit.search",)}  # fmt: skip


def train(
    name: Name,
    reason: Reason = "asked by hand",
    data_version: Annotated[
        int | None,
        typer.Option("--data-version", min=0, help="Repeat it on the rows of this data version; nothing comes in."),
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="The champion's pipeline learns again from all rows, as it is: seconds.")
    ] = False,
    search: Annotated[bool, typer.Option("--search", help="Look for the best pipeline anew: the default.")] = False,
    as_json: Json = False,
) -> None:
    """Train: ingest, validate, features, search, evaluate, register, promote."""
    if refit and search:
        raise typer.BadParameter("--refit and --search are two things: say one of them.")
    if refit and data_version is not None:
        raise typer.BadParameter("--refit learns from the rows that are there now; --data-version repeats a search.")
    how = "refit" if refit else "search" if search else ""
    result = _run("train", as_json, model=name, reason=reason, data_version=data_version, how=how)
    raise typer.Exit(4 if result["refused"] else 0)


def stop(name: Name, reason: Reason = "asked by hand", as_json: Json = False) -> None:
    """End the search of the training under way, which goes on with the best model so far."""
    from everfit.ledger import Ledger
    from flows.cli import console

    here = settings()
    entry = Ledger.of(here).stop_search(name, actor=here.actor, reason=reason)
    if as_json:
        console.print_json(entry.to_dict())
    else:
        console.out.print(f"{name}: {entry.summary}")


def predict(
    name: Name,
    source: Annotated[
        str,
        typer.Option(
            "--input",
            callback=without_secret,
            help="File, folder, glob or URI with the rows to score, or a database, with --query; "
            "default: what the model file says.",
        ),
    ] = "",
    output: Annotated[
        str,
        typer.Option(
            "--output",
            callback=without_secret,
            help="A .parquet or .csv file, or the folder or URI of a Delta table; default: what the model file says.",
        ),
    ] = "",
    query: Annotated[str, typer.Option("--query", help="The SELECT whose rows are scored.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there.")] = False,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes; 0: as many as there are cores, and rows for them.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Score rows with the champion; a run that was ended is gone on with by the next one of the same."""
    _run("predict", as_json, model=name, source=source, output=output, query=query, overwrite=overwrite,
         workers=workers)  # fmt: skip


def monitor(
    name: Name,
    data: Annotated[
        str,
        typer.Option("--data", callback=without_secret, help="A new batch; default: what the model's source has new."),
    ] = "",
    labels: Annotated[
        str, typer.Option("--labels", callback=without_secret, help="Labels that came later, by the ids of their rows.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Watch a new batch: validate, drift, decide, and retrain when the decision says so."""
    _run("monitor", as_json, model=name, data=data, labels=labels)


def backtest(
    name: Name,
    data: Annotated[
        str, typer.Option("--data", callback=without_secret, help="The history; default: the model's own source.")
    ] = "",
    batch: Annotated[
        str, typer.Option("--batch", help="How long a batch is: 3d, 1w, or 500 rows; default: 25 batches.")
    ] = "",
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Another policy beside: a model file, or refit, monitor, retrain, promotion."),
    ] = None,
    warmup: Annotated[
        float, typer.Option("--warmup", help="Share of the rows that the first model learns from.")
    ] = 0.3,
    delay: Annotated[
        int, typer.Option("--delay", help="Labels come so many batches later; 0: as data.label_delay says, or 1.")
    ] = 0,
    trials: Annotated[int, typer.Option("--trials", help="Trials of each search.")] = 8,
    budget: Annotated[str, typer.Option("--budget", help="Time of each search, at most.")] = "2m",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each with a policy of its own.")] = 1,
    recommend: Annotated[bool, typer.Option("--recommend", help="Try other thresholds as well.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an earlier run of the same has done.")] = False,
    as_json: Json = False,
) -> None:
    """Replay history: what this policy, and others, would have refused, refitted, searched and promoted."""
    from everfit.backtest.asked import Asked, lasting, with_policy
    from everfit.spec import load_spec

    seconds = lasting("--budget", budget).total_seconds()
    _ = Asked(batch=batch, warmup=warmup, delay=delay, trials=trials).period  # a mistake is worth knowing at once
    if policy:
        with_policy(load_spec(name, settings().models), policy)
    other = str(policy.resolve()) if policy else ""
    _run("backtest", as_json, model=name, data=data, batch=batch, policy=other, warmup=warmup, delay=delay,
         trials=trials, budget=seconds, workers=workers, recommend=recommend, fresh=fresh)  # fmt: skip


def _run(verb: str, as_json: bool, *, model: str, **parameters: str | float | None) -> dict[str, Any]:
    """Run the flow of that name beside a Prefect API, which starts while the heavy libraries are imported."""
    from everfit.errors import ValidationStopped
    from everfit.spec import load_spec
    from flows.cli import console
    from flows.server import api, connected

    here = settings()
    load_spec(model, here.models)  # a mistake in the file is worth knowing before anything starts
    server = api(here)
    waits = ": waiting for the Prefect server, about ten seconds" if server.process else ""
    with console.told_of_ctrl_c(), console.progress(f"{verb} {model}{waits}") as listen:
        for package in WARM[verb]:
            import_module(package).warm_up()
        with connected(here, server.url):
            flow = getattr(import_module(f"flows.{verb}"), verb)
            from prefect import tags
        try:
            with server, tags("everfit", f"model:{model}"):
                listen()
                result: dict[str, Any] = flow(model=model, **parameters)
        except ValidationStopped as stop:
            if as_json and "result" in stop.facts:
                console.print_json(stop.result)
            raise
    console.finish(verb, result, as_json)
    return result
