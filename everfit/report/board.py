"""The leaderboard as rows of text for a screen, and as a frame for a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from everfit.report.words import Scale, cost, happened, named, titled
from everfit.search.records import Row

FAILED = ("failed", "timed out")
NUMBERS = (0, 2, 3, 4, 5)  # the columns that end at the right


def columns(metric: str) -> list[str]:
    """Return the heads of the columns that `cells` fills."""
    return ["Rank", "Model", f"{metric} ± 95 %", "Fit s", "Row ms", "MB", "What happened"]


def cells(row: Row, scale: Scale) -> list[str]:
    """Write one row for a screen."""
    costs = [cost(row.fit_seconds, 2), cost(row.predict_ms, 1), cost(row.size_mb, 2)]
    return [str(row.rank or "–"), titled(row), scale.interval(row), *costs, happened(row)]


def shown(rows: Sequence[Row], most: int) -> list[Row]:
    """Return the first of the ranked rows, and the best of each other family however far behind it is."""
    ranked = [row for row in rows if row.rank]
    seen = {row.family for row in ranked[:most]}
    return [*ranked[:most], *(row for row in firsts(rows) if row.family not in seen)]


def table(rows: Sequence[Row], metric: str, most: int = 60) -> list[dict[str, str]]:
    """Return the best rows and then those that failed, so many of each at most, under names for people."""
    scale, heads = Scale.of(rows), columns(metric)
    failed = [row for row in rows if row.status in FAILED]
    return [dict(zip(heads, cells(row, scale), strict=True)) for row in (*shown(rows, most), *failed[: most // 2])]


def firsts(rows: Sequence[Row]) -> list[Row]:
    """Return the best row of each family, the best family first."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.rank:
            best.setdefault(row.family, row)
    return list(best.values())


def failures(rows: Sequence[Row], most: int = 10) -> list[str]:
    """Say which families failed why and how often, the most frequent first."""
    counts = Counter((named(row.family), happened(row)) for row in rows if row.status in FAILED)
    said = [f"{who} {why}" + (f" ({count} times)" if count > 1 else "") for (who, why), count in counts.most_common()]
    more = [f"and {len(said) - most} more reasons"] if len(said) > most else []
    return [*said[:most], *more]


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the leaderboard with a line for each row: names for people first, parameters last, numbers as they are."""
    table = pd.DataFrame([asdict(row) | {"name": titled(row)} for row in rows])
    first = ["rank", "name", "score", "low", "high", "fit_seconds", "predict_ms", "size_mb", "status", "reason"]
    table = table[[*first, "family", "scores", "params"]]
    numbers = dict.fromkeys(["score", "low", "high", "fit_seconds", "predict_ms", "size_mb"], "float64")
    return table.astype({"rank": "Int64", **numbers})
