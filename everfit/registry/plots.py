"""The picture of what a model says of held-out rows; those of its search come with `Candidate.pages`."""

from __future__ import annotations

from pathlib import Path

from everfit.registry.records import Candidate
from everfit.report import diagnostics
from everfit.reserved import PREDICTION

HELD_OUT = "on held-out rows"


def draw(candidate: Candidate, folder: Path) -> None:
    """Draw `held_out.png` if there is something to draw of."""
    frame = candidate.reference
    if PREDICTION not in frame or candidate.target not in frame:
        return
    regression = candidate.task == "regression"
    pairs = frame[[candidate.target, PREDICTION]].dropna().astype(float if regression else str)
    if pairs.empty:
        return
    y, said = (pairs[name].to_numpy() for name in (candidate.target, PREDICTION))
    paint = diagnostics.residuals if regression else diagnostics.confusion
    (folder / "held_out.png").write_bytes(paint(y, said, HELD_OUT).png)
