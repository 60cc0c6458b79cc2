"""Name the rows that an earlier training saw, so that it can be repeated on exactly those."""

from dataclasses import asdict
from typing import Any

from everfit.errors import InputError
from everfit.lake import Lake, Snapshot
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say, step

SHOWN = 20
OURS = ("model", "uri", "batches")  # of a recorded snapshot: the lake may have moved, and knows its batches


@step
def revisit(spec: ModelSpec, version: int) -> Snapshot:
    """Return the rows of one version of the lake's table; raise InputError when there is no such version.

    Where a registered version was made from it, they are the rows that its registration recorded: reading them
    raises DataError when the lake holds others by now.
    """
    settings = Settings()
    snapshot = _snapshot(spec.name, Lake(settings), version)
    known = ""
    for number, data in Ledger.of(settings).registered(spec.name).items():
        if data["version"] == version:
            snapshot = Snapshot(**{name: getattr(snapshot, name) for name in OURS}, **_identity(data))
            known = f", the data of v{number}"
    say(f"{snapshot.rows:,} rows of data version {version}{known}")
    return snapshot


def made_from(ledger: Ledger, snapshot: Snapshot) -> list[int]:
    """Return the versions that learnt from exactly these rows, oldest first."""
    wanted = _identity(asdict(snapshot))
    made = ledger.registered(snapshot.model).items()
    return [number for number, data in made if _identity(data) == wanted]


def _identity(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in snapshot.items() if name not in OURS and value not in (None, "")}


def _snapshot(model: str, lake: Lake, version: int) -> Snapshot:
    newest = lake.snapshot(model).version
    known = sorted({batch.version for batch in lake.batches(model)})
    if not known[0] <= version <= newest:
        raise InputError(
            f"{model}: there is no version {version} of its data.",
            why=f"Rows came with version {', '.join(map(str, known[-SHOWN:]))}; the newest is {newest}.",
            do=f"everfit history {model} --json says which data each model was made from.",
        )
    return lake.snapshot(model, version)
