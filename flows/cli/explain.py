"""The command that says why: of one row, or of the champion's answers altogether."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.common import Json, Name, settings

if TYPE_CHECKING:
    import pandas as pd

    from everfit.registry import Loaded
    from everfit.settings import Settings


def explain(
    name: Name,
    data: Annotated[
        str | None, typer.Option("--data", help="File, folder, glob or URI; default: rows kept with the champion.")
    ] = None,
    row: Annotated[int | None, typer.Option("--row", min=0, help="Explain one row, by its position from 0.")] = None,
    as_json: Json = False,
) -> None:
    """Say which fields the champion goes by: over all rows, with rules that say nearly the same; or for one row."""
    from everfit import registry
    from everfit.explanation import Explainer, overview
    from everfit.ledger import Ledger
    from everfit.spec import load_spec
    from flows.cli import console

    here = settings()
    spec = load_spec(name, here.models)
    loaded = registry.load(here, name, registry.require_champion(Ledger.of(here), name))
    frame = _rows(here, loaded, data)
    explainer = Explainer.of(loaded.pipeline, loaded.card, loaded.reference)
    told: dict[str, Any] = {"model": name, "version": loaded.version}
    if row is None:
        seen = overview(explainer, explainer.read(frame), hidden=spec.data.personal)
        console.finish("explain", {**told, "overview": seen.to_dict(), "fidelity": seen.fidelity}, as_json)
        return
    one = _one(frame, row)
    shown = {
        field: "(personal)" if field in spec.data.personal else str(one[field].iloc[0]) for field in explainer.kinds
    }
    (found,) = explainer.explain(one)
    console.finish("explain", {**told, "row": row, "values": shown, "explanation": found.to_dict()}, as_json)


def _rows(here: Settings, loaded: Loaded, data: str | None) -> pd.DataFrame:
    """Return what was given, or what was kept; raise InputError where a field of the model is not there."""
    from everfit import sources
    from everfit.errors import InputError, did_you_mean

    if data is None:
        return loaded.reference
    frame = sources.sample(data, base=here.workspace)
    if gone := [field for field in loaded.card["inputs"] if field not in frame]:
        raise InputError(
            f"{data} has no column '{gone[0]}', which {loaded.model} v{loaded.version} reads."
            f"{did_you_mean(gone[0], map(str, frame.columns))}",
            details=gone[1:],
            do="Give rows with all fields of the model; a value may be missing.",
        )
    return frame


def _one(frame: pd.DataFrame, row: int) -> pd.DataFrame:
    from everfit.errors import InputError

    if row >= len(frame):
        raise InputError(f"There is no row {row}: {len(frame):,} were read, and the first is 0.")
    return frame.iloc[[row]]
