"""Show a report: as a page of its own for everybody, as bounded Markdown for the Prefect UI."""

from collections.abc import Sequence
from pathlib import Path

from everfit import pages
from everfit.validation.report import Report, Result

SHOWN = 10
TONES = {"error": "bad", "stops": "bad", "quarantines": "warn", "warns": "warn", "noted": "calm", "passes": "good"}


def write_page(report: Report, path: Path) -> Path:
    """Write one self-contained HTML file; verdict first."""
    return pages.render("validation/page.html.jinja", path, report=report, tones=TONES)


def to_markdown(report: Report) -> str:
    """Write the verdict and at most ten rules of each outcome; the rest is counted."""
    tone = "✅" if report.ok else "⛔"
    lines = [f"## {tone} {report.headline}", "", f"{report.origin}: {report.rows:,} rows; {_tally(report)}.", ""]
    for title, results in (
        ("Stopped by", report.blocking),
        ("Quarantined by", report.quarantining),
        ("Warnings", report.warnings),
    ):
        lines += _section(title, results)
    return "\n".join(lines).rstrip() + "\n"


def _tally(report: Report) -> str:
    good = report.rows - len(report.broken)
    rows = f", {good:,} rows good, {len(report.broken):,} quarantined" if report.broken else ""
    return f"{len(report.passed)} of {len(report.results)} rules hold{rows}"


def _section(title: str, results: Sequence[Result]) -> list[str]:
    if not results:
        return []
    rows = [f"| {_cell(r.column) or 'table'} | {_cell(r.expected)} | {_cell(_seen(r))} |" for r in results[:SHOWN]]
    more = [f"\n…and {len(results) - SHOWN} more."] if len(results) > SHOWN else []
    return [f"### {title}", "", "| column | expected | observed |", "|---|---|---|", *rows, *more, ""]


def _seen(result: Result) -> str:
    if result.state == "error":
        return f"could not be judged: {result.why}"
    examples = ", ".join(example.value for example in result.examples[:3])
    return f"{result.observed}; such as {examples}" if examples else result.observed


def _cell(text: str, limit: int = 200) -> str:
    safe = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"
