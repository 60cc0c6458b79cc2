"""Show a report: as a page of its own for everybody, as bounded Markdown for the Prefect UI."""

from collections.abc import Sequence
from pathlib import Path

from everfit import pages
from everfit.validation import wording
from everfit.validation.report import Report, Result

SHOWN = 10
TONES = {"error": "bad", "stops": "bad", "quarantines": "warn", "warns": "warn", "noted": "calm", "passes": "good"}
WORDS = {
    "error": "error",
    "stops": "critical",
    "quarantines": "quarantine",
    "warns": "warning",
    "noted": "info",
    "passes": "pass",
}


def write_page(report: Report, path: Path) -> Path:
    """Write one self-contained HTML file; verdict first."""
    return pages.render(
        "validation/page.html.jinja",
        path,
        report=report,
        tone="bad" if not report.ok else "warn" if report.broken or report.warnings else "good",
        figures=_figures(report),
        noted=[result for result in report.results if result.outcome == "noted"],
        hidden=any(example.value == wording.HIDDEN for result in report.results for example in result.examples),
        tones=TONES,
        words=WORDS,
    )


def _figures(report: Report) -> list[tuple[str, int, str]]:
    """The numbers under the verdict: rows, and how many rules ended how."""
    figures = [("rows in the batch", report.rows, "")]
    if report.broken:
        figures.append(("rows quarantined", len(report.broken), "warn"))
    if report.blocking:
        figures.append(("rules stopped it", len(report.blocking), "bad"))
    if report.warnings:
        figures.append(("warnings", len(report.warnings), "warn"))
    return [*figures, ("rules hold", len(report.passed), "good")]


def to_markdown(report: Report) -> str:
    """Write the verdict and at most ten rules of each outcome; the rest is counted."""
    lines = [f"## {report.headline}", "", f"{report.origin}: {report.rows:,} rows; {_tally(report)}.", ""]
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
    different = dict.fromkeys(example.value for example in result.examples if example.value != "no value")
    examples = ", ".join(list(different)[:3])
    return f"{result.observed}; such as {examples}" if examples else result.observed


def _cell(text: str, limit: int = 200) -> str:
    safe = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"
