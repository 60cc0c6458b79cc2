"""Commands about who decided what: promote, rollback, history, audit."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.common import Json, Name, Reason, moment, settings

audit = typer.Typer(help="Prove that the ledger was not altered.", no_args_is_help=True)


def promote(
    name: Name,
    version: Annotated[int | None, typer.Option("--version", help="Default: the one that waits for approval.")] = None,
    refuse: Annotated[
        bool, typer.Option("--refuse", help="Refuse the version that waits; the champion stays.")
    ] = False,
    reason: Reason = "by hand",
    as_json: Json = False,
) -> None:
    """Let a registered version take over, or refuse it, by your word."""
    from everfit import registry
    from flows.cli import console

    here = settings()
    _check_name(name)
    decide = registry.refuse_by_hand if refuse else registry.promote_by_hand
    result = decide(here, name, version, reason=reason)
    console.finish("promote", result.to_dict(), as_json)


def rollback(
    name: Name,
    reason: Reason = "rolled back by hand",
    out: Annotated[
        str | None, typer.Option("--out", help="A .parquet or .csv file for every prediction of the version.")
    ] = None,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Ask the restored champion the same, and write both answers to a file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the previous champion back, and say what the bad version has predicted."""
    from everfit import registry
    from everfit.errors import EverfitError
    from flows.cli import console

    here = settings()
    _check_name(name)
    if out:
        _check_out(out)
    result = registry.rollback(here, name, reason=reason).to_dict()
    if not as_json:
        console.show("rollback", result)
    try:
        found = _affected(name, out, rescore)
    except EverfitError as error:  # the champion has changed all the same
        if as_json:
            console.print_json({**result, "affected": {"error": str(error)}})
        raise
    if as_json:
        console.print_json({**result, **found})
    for line in [] if as_json else _lines(found):
        console.out.print(f"  {line}", markup=False, soft_wrap=True)


def _check_out(out: str) -> None:
    from everfit.serving import affected

    affected.check(Path(out))


def _affected(name: str, out: str | None, rescore: bool) -> dict[str, Any]:
    """Return what the version that was rolled back has predicted, and what the champion says of it."""
    from everfit.ledger import Ledger
    from everfit.serving import affected

    here = settings()
    ledger = Ledger.of(here)
    bad, champion = affected.bad_version(ledger, name), ledger.champion(name)
    if bad is None or champion is None:
        return {}
    listed = affected.affected(here, name, bad, Path(out) if out else None)
    found: dict[str, Any] = {"affected": listed.to_dict()}
    if rescore and listed.count:
        stem = Path(out) if out else here.reports(name) / "predictions.parquet"
        file = stem.with_stem(f"{stem.stem}-v{bad}-by-v{champion}")
        found["rescored"] = affected.rescore(here, name, bad, champion, file).to_dict()
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    """Say for a person what a bad version has predicted."""
    lines = []
    if listed := found.get("affected"):
        lines += [listed["sentence"], *(", ".join(f"{k} {v}" for k, v in row.items()) for row in listed["sample"])]
        lines += ["..."] if listed["count"] > len(listed["sample"]) else []
        if listed["count"]:
            lines += [f"all of these: {listed['file']}" if listed["file"] else "--out FILE writes all of them"]
    if rescored := found.get("rescored"):
        lines += [rescored["sentence"], f"both answers: {rescored['file']}"]
    return lines


def history(
    name: Annotated[str | None, typer.Argument(help="A model; default: all of them.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="As it was known then, such as 2026-11-22T15:00.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many decisions, the latest ones.")] = 50,
    as_json: Json = False,
) -> None:
    """Show every decision, with who or what made it and why; --json has all the reasons."""
    from everfit.ledger import KINDS, Ledger
    from flows.cli import console

    ledger = Ledger.of(settings())
    when = moment(at)
    if name:
        _check_name(name)
    decisions = [kind for kind in KINDS if kind != "monitored"]  # a run that found nothing new decided nothing
    entries = ledger.entries(name, kinds=decisions, at=when, limit=limit)
    champion = ledger.champion(name, at=when) if name else None
    lost = {entry.seq: " (it did not end)" for entry in ledger.unended(name)}
    if cut_off := ledger.cut_off:
        warning = "Rows of the ledger are missing: this is not all that was decided. everfit audit verify says more."
        console.err.print(warning, style="bold red")
    spent = _spending(name, when) if name else None
    serving = _serving(name, when) if name else None
    if as_json:
        rows = [{**entry.to_dict(), "summary": entry.summary + lost.get(entry.seq, "")} for entry in entries]
        facts = {
            "model": name,
            "champion": champion,
            "serving": serving,
            "spending": spent,
            "whole": not cut_off,
            "entries": rows,
        }
        console.print_json(facts)
        return
    about = "" if name else "model"
    told = [(f"{e.at:%Y-%m-%d %H:%M:%S}", e.model, e.actor, e.line + lost.get(e.seq, "")) for e in entries]
    lines = [[at, *([model] if about else []), actor, what] for at, model, actor, what in told]
    console.table("Decisions, oldest first (UTC)", ["when", *([about] if about else []), "by", "what and why"], lines)
    if name:
        console.out.print(f"champion: {f'v{champion}' if champion else 'none'}")
    if serving:
        console.out.print(f"serving: {serving}", markup=False)
    if spent and spent["cpu_seconds"]:
        console.out.print(f"searches of {spent['told']}", markup=False)


def _serving(name: str, at: datetime | None) -> str | None:
    """Say which version answers requests, and how far a rollout is; None when no service has answered yet."""
    from everfit.errors import InputError
    from everfit.ledger import Ledger
    from everfit.serving import rollout
    from everfit.spec import load_spec

    here = settings()
    standing = rollout.standing_of(Ledger.of(here).entries(name, kinds=rollout.KINDS, at=at))
    if standing is None or standing.full is None:
        return None
    try:
        policy = load_spec(name, here.models).rollout.canary
    except InputError:  # what serves is shown all the same
        policy = None
    return rollout.in_words(standing, policy)


def _spending(name: str, at: datetime | None) -> dict[str, Any]:
    """Return what a model's searches have cost in the month, and may cost, where its file says so."""
    from everfit import spending
    from everfit.errors import InputError
    from everfit.ledger import Ledger
    from everfit.spec import Spending, load_spec

    here = settings()
    month = spending.month(Ledger.of(here), name, at or datetime.now(UTC))
    try:
        most = load_spec(name, here.models).spending
    except InputError:  # its history is shown all the same
        most = Spending()
    known = {"month": f"{month.begins:%Y-%m}", "cpu_seconds": month.seconds, "money": month.money}
    return {**known, "families": month.families, "told": month.told(most, here.currency)}


def _check_name(name: str) -> None:
    """Raise SpecError for a model without any decision and without a file; a mistake in its file does not matter."""
    from everfit.ledger import Ledger
    from everfit.spec import load_spec

    here = settings()
    if not Ledger.of(here).entries(name, limit=1):
        load_spec(name, here.models)


@audit.command()
def verify(as_json: Json = False) -> None:
    """Recompute the ledger's chain and name the first entry that was altered."""
    from everfit.ledger import Ledger
    from flows.cli import console

    found = Ledger.of(settings()).verify()
    if as_json:
        console.print_json(asdict(found))
    elif found.ok and not found.rows:
        console.out.print("The ledger is empty: nothing was recorded yet.")
    elif found.ok:
        seen = "" if found.anchored else " There is no anchor on this machine: a cut-off end would not be seen."
        console.out.print(
            f"The ledger is whole: {found.rows} entries, each fits the one before it. Head: {found.head}.{seen}"
        )
    else:
        console.err.print(f"The ledger was altered at entry {found.first_bad}: {found.why}", style="bold red")
    raise typer.Exit(0 if found.ok else 1)
