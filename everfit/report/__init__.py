"""What a search found, for people: in words, as a table, in pictures, and on one page that opens anywhere.

The same words and numbers go to the terminal, to Prefect, to MLflow and to a notebook. Rows that judge here are those
of the search; how good the model is on rows that nobody saw is what `everfit.evaluation` says. Nothing is imported
to draw with before `write` or `save` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everfit.report.board import frame, table
from everfit.report.telling import Told, latest, markdown, tell
from everfit.report.words import duration, named

if TYPE_CHECKING:
    from pathlib import Path

    from everfit.search import Metric, Searched

__all__ = ["Told", "duration", "frame", "latest", "markdown", "named", "save", "table", "tell", "write"]


def write(path: Path, found: Searched, *, model: str, metric: Metric) -> Path:
    """Write the page alone; return where it is."""
    from everfit.report import page

    return page.write(path, found, model=model, metric=metric)


def save(folder: Path, found: Searched, *, model: str, metric: Metric) -> Told:
    """Write the page, its pictures and what is said of the search into a folder; return the latter."""
    from everfit.report import page

    return page.save(folder, found, model=model, metric=metric)
