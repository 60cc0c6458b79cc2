"""The pictures of a training, two or three of them, each drawn in a few tenths of a second. A door to matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from everfit.registry.records import Candidate
from everfit.reserved import PREDICTION

MOST_CLASSES = 20
MOST_POINTS = 2_000


def draw(candidate: Candidate, best: pd.Series[float], folder: Path) -> None:
    """Draw what there is something to draw of."""
    pictures: dict[str, Callable[[Figure], bool]] = {
        "leaderboard.png": lambda figure: leaderboard(figure, candidate),
        "search.png": lambda figure: search(figure, candidate, best),
        "answers.png": lambda figure: answers(figure, candidate),
    }
    for name, picture in pictures.items():
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        if picture(figure):
            figure.savefig(folder / name, dpi=110)


def leaderboard(figure: Figure, candidate: Candidate) -> bool:
    """Show each family's first row on the board, which is its best, with its interval."""
    best: dict[str, Mapping[str, Any]] = {}
    for row in candidate.leaderboard:
        if row.get("score") is not None:
            best.setdefault(str(row.get("family", "")), row)
    rows = [*best.values()][::-1]
    if not rows:
        return False
    axes = figure.subplots()
    values = [row["score"] for row in rows]
    ends = [(row.get("low"), row.get("high")) for row in rows]
    known = [
        (v if low is None else low, v if high is None else high) for v, (low, high) in zip(values, ends, strict=True)
    ]
    spread = [[max(v - low, 0) for v, (low, _) in zip(values, known, strict=True)]]
    spread.append([max(high - v, 0) for v, (_, high) in zip(values, known, strict=True)])
    axes.errorbar(values, range(len(rows)), xerr=spread, fmt="o", capsize=3)
    axes.set_yticks(range(len(rows)), [*best][::-1])
    axes.set_xlabel(candidate.metric)
    axes.set_title("Leaderboard")
    return True


def search(figure: Figure, candidate: Candidate, best: pd.Series[float]) -> bool:
    """Show every trial's score and the best so far."""
    if best.empty:
        return False
    axes = figure.subplots()
    scores = pd.to_numeric(candidate.trials["score"], errors="coerce").reset_index(drop=True)
    axes.plot(scores.index, scores, ".", alpha=0.5, label="trial")
    axes.step(best.index, best, where="post", label="best so far")
    if len(best) > 4:
        low, high = np.nanquantile(scores, [0.02, 0.9] if best.iloc[-1] <= best.iloc[0] else [0.1, 0.98])
        room = (high - low or abs(high) or 1) * 0.1
        axes.set_ylim(min(low, best.min()) - room, max(high, best.iloc[-1]) + room)
    axes.set(xlabel="trial", ylabel=candidate.metric, title="Search")
    axes.legend()
    return True


def answers(figure: Figure, candidate: Candidate) -> bool:
    """Show what was said against what was true, on rows that the model did not learn from."""
    frame = candidate.reference
    if PREDICTION not in frame or candidate.target not in frame:
        return False
    pairs = frame[[candidate.target, PREDICTION]].dropna()
    if pairs.empty:
        return False
    if candidate.task == "regression":
        return _scatter(figure, pairs.iloc[:: max(1, len(pairs) // MOST_POINTS)].astype(float))
    return _confusion(figure, pairs.astype(str))


def _scatter(figure: Figure, pairs: pd.DataFrame) -> bool:
    axes = figure.subplots()
    true, said = (pairs.iloc[:, column].to_numpy() for column in (0, 1))
    axes.plot(true, said, ".", alpha=0.3)
    ends = [min(true.min(), said.min()), max(true.max(), said.max())]
    axes.plot(ends, ends, "k--", linewidth=1)
    axes.set(xlabel="true", ylabel="predicted", title="Held-out rows")
    return True


def _confusion(figure: Figure, pairs: pd.DataFrame) -> bool:
    table = pd.crosstab(pairs.iloc[:, 0], pairs.iloc[:, 1], normalize="index")
    if max(table.shape) > MOST_CLASSES:
        return False
    axes = figure.subplots()
    shown = axes.imshow(table.to_numpy(), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(table.shape[1]), table.columns, rotation=45, ha="right")
    axes.set_yticks(range(table.shape[0]), table.index)
    axes.set(xlabel="predicted", ylabel="true", title="Held-out rows, share of each true class")
    figure.colorbar(shown)
    return True
