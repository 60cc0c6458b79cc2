"""Evidently's pages of a batch: its columns, and what was predicted beside its labels."""

from contextlib import suppress
from pathlib import Path

from everfit import registry
from everfit.monitor.view import View
from tasks.view import with_predictions

KEPT = 50  # pages of a model


def write_reports(loaded: registry.Loaded, view: View, page: Path) -> tuple[str, str]:
    """Write Evidently's reports of the columns and of predictions beside labels; name them, or say why none."""
    from everfit.monitor import evidently_report  # takes four seconds, and most runs see nothing new

    beside = page.with_name(f"{page.stem}-performance.html")
    past, now = view.reference, view.current
    shown = view.drift.judged and view.target in now and view.target not in view.personal
    served = with_predictions(loaded, now) if shown and view.refitted else now
    performance = evidently_report.write_performance(past, served, view.target, loaded.task, beside) if shown else ""
    report = evidently_report.write_report(past, now, view.drift, page)
    _keep_latest(page.parent)
    return report, performance


def _keep_latest(folder: Path) -> None:
    """Remove all but the latest of Evidently's pages: each takes four megabytes, and our own page says the verdict."""
    with suppress(OSError):  # another run may be at it too
        pages = sorted(folder.glob("evidently-*.html"), key=lambda page: page.stat().st_mtime)
        for page in pages[:-KEPT]:
            page.with_suffix(".json").unlink(missing_ok=True)
            page.unlink()
