"""The page of a search, and the folder with everything that belongs to it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everfit import pages
from everfit.report import charts, diagnostics
from everfit.report.board import cells, columns, shown
from everfit.report.look import Picture, mark_of
from everfit.report.telling import TOLD, Told, tell, winner
from everfit.report.words import Scale, duration, half_of, members, named
from everfit.search.predicted import Metric
from everfit.search.records import Row, Searched

PAGE, PLOTS = "report.html", "plots"
SHOWN = 12
WIDTH = 180.0  # of the drawn intervals
ON = "on rows that judged it"


@dataclass(frozen=True)
class Drawn:
    """An interval as places in a picture; `low` and `high` may be cut off at its ends."""

    low: float
    at: float
    high: float
    colour: str


def write(path: Path, found: Searched, *, model: str, metric: Metric) -> Path:
    """Write the page alone."""
    return _page(path, found, tell(found, model=model, metric=metric), metric, _pictures(found, metric))


def save(folder: Path, found: Searched, *, model: str, metric: Metric) -> Told:
    """Write the page, its pictures and what is said of the search into a folder; return the latter."""
    told, pictures = tell(found, model=model, metric=metric, page=str(folder / PAGE)), _pictures(found, metric)
    _page(folder / PAGE, found, told, metric, pictures)
    (folder / PLOTS).mkdir(exist_ok=True)
    for picture in pictures:
        (folder / PLOTS / f"{picture.name}.png").write_bytes(picture.png)
    pages.write(folder / TOLD, json.dumps(told.to_dict(), indent=1))
    return told


def _pictures(found: Searched, metric: Metric) -> list[Picture]:
    judged = found.out_of_fold
    return [*charts.pictures(found, metric), *(diagnostics.pictures(judged.y, judged.predicted, ON) if judged else ())]


def _page(path: Path, found: Searched, told: Told, metric: Metric, pictures: Sequence[Picture]) -> Path:
    scale, rows = Scale.of(found.leaderboard), shown(found.leaderboard, SHOWN)
    won = winner(found)
    ranked = sum(row.rank is not None for row in found.leaderboard)
    shown_pictures = {picture.name: picture for picture in pictures}
    return pages.render(
        "report/page.html.jinja",
        path,
        told=told,
        tone="warn" if told.notes else "good",
        figures=_figures(found, won, scale, metric),
        columns=columns(metric.name),
        rows=[(row, cells(row, scale), drawn) for row, drawn in zip(rows, intervals(rows), strict=True)],
        hidden=ranked - len(rows),
        given_up=sum(row.status == "pruned" for row in found.leaderboard),
        won=won,
        members=members(won) if won else [],
        named=named,
        colour=_colour,
        pictures={name: _embedded(picture) for name, picture in shown_pictures.items()},
        too_few="" if "importance" in shown_pictures else charts.too_few(found),
        width=WIDTH,
    )


def _figures(found: Searched, won: Row | None, scale: Scale, metric: Metric) -> list[tuple[str, Any, str]]:
    """Return the few numbers that are looked for first."""
    score = scale.score(won.score if won else None)
    baseline = next((row for row in found.leaderboard if row.status == "baseline"), None)
    failed = sum(row.status == "failed" for row in found.leaderboard)
    better = "higher is better" if metric.greater else "lower is better"
    figures: list[tuple[str, Any, str]] = [(f"{metric.name}, {better}", score, "good")]
    if baseline:
        figures.append(("of a constant guess", scale.score(baseline.score), ""))
    figures += [("trials", len(found.trials), ""), ("failed", failed, "warn" if failed else "")]
    return [*figures, ("in all", duration(found.seconds), "")]


def intervals(rows: Sequence[Row]) -> list[Drawn | None]:
    """Return where each row's score and interval lie in a picture that shows the models, not the guess far behind."""
    models = [row for row in rows if row.score is not None and row.status != "baseline"]
    if not models:
        return [None] * len(rows)
    low = min(float(row.score or 0.0) - half_of(row) for row in models)
    high = max(float(row.score or 0.0) + half_of(row) for row in models)
    room = (high - low) or abs(high) or 1.0

    def place(value: float) -> float:
        return round(8 + (WIDTH - 16) * min(1.0, max(0.0, (value - low) / room)), 1)

    def drawn(row: Row) -> Drawn | None:
        if row.score is None or not low <= row.score <= high:
            return None
        half = half_of(row)
        return Drawn(place(row.score - half), place(row.score), place(row.score + half), _colour(row.family))

    return [drawn(row) for row in rows]


def _colour(family: str) -> str:
    """Return a family's colour on the page, where ink is light when the page is dark."""
    return "var(--ink)" if family == "blend" else mark_of(family)[0]


def _embedded(picture: Picture) -> dict[str, str]:
    return {"alt": picture.alt, "source": f"data:image/png;base64,{b64encode(picture.png).decode()}"}
