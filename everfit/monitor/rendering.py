"""Show a decision: as a page of its own, verdict first and columns after; and as bounded Markdown for Prefect's UI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from everfit import pages
from everfit.monitor.decision import Decision, Evidence, Verdict
from everfit.monitor.findings import Finding
from everfit.monitor.moved import ColumnDrift, Drift

SHOWN_COLUMNS = 100
SHOWN_ROWS = 10
TEXT = 300
TONES: dict[str, str] = {"fine": "good", "watch": "warn", "retrain": "calm", "repair": "bad"}
VERDICT_TONES: dict[Verdict, str] = {
    "fine": "good",
    "watch": "warn",
    "retrain": "calm",
    "data fault: repair the feed": "bad",
}
WIDTH, HEIGHT = 176.0, 40.0


@dataclass(frozen=True)
class Bar:
    """One bin of a before/after histogram, as heights in the picture."""

    x: float
    width: float
    before: float
    after: float
    title: str


def page(
    path: Path,
    evidence: Evidence,
    decision: Decision,
    drift: Drift | None = None,
    *,
    evidently: str = "",
    performance: str = "",
) -> Path:
    """Write one self-contained HTML file.

    `evidently` and `performance` are the names of Evidently's reports beside it, of the columns and of predictions
    against labels, or why there is none.
    """
    columns = ordered(drift)
    return pages.render(
        "monitor/page.html.jinja",
        path,
        evidence=evidence,
        decision=decision,
        drift=drift,
        headline=headline(decision),
        tone=VERDICT_TONES[decision.verdict],
        tones=TONES,
        others=[c for c in (drift.prediction, drift.target) if c] if drift else [],
        columns=columns[:SHOWN_COLUMNS],
        hidden=max(0, len(columns) - SHOWN_COLUMNS),
        findings=sorted(decision.findings, key=_urgency),
        figures=_figures(evidence, decision, drift),
        bars=bars,
        reports=[name for name in (evidently, performance) if name.endswith(".html")],
        degraded=[why for why in (evidently, performance) if why and not why.endswith(".html")],
        width=WIDTH,
        height=HEIGHT,
    )


def markdown(evidence: Evidence, decision: Decision, drift: Drift | None = None) -> str:
    """Write verdict, reasons, blockers and the ten columns that moved most; the rest is counted."""
    lines = [f"## {headline(decision)}", "", _subject(evidence), ""]
    lines += _listed("Why", decision.reasons) + _listed("Held back by", decision.blockers if decision.held else ())
    lines += _listed("What to do", decision.next_steps)
    lines += _table([c for c in ordered(drift) if c.drifted])
    return "\n".join(lines).rstrip() + "\n"


def headline(decision: Decision) -> str:
    """Say the verdict, and what speaks for it or follows from it, in one line."""
    verdict = decision.verdict.capitalize()
    spoke = ", ".join(dict.fromkeys(finding.signal for finding in decision.findings if finding.speaks))
    if decision.verdict == "retrain":
        return f"{verdict}: {'it starts by itself' if decision.retrains else 'held back'}"
    if decision.verdict == "watch":
        return f"{verdict}: {spoke}"
    return verdict if decision.action == "repair" else f"{verdict}: nothing to do"


def ordered(drift: Drift | None) -> list[ColumnDrift]:
    """Return the columns, drifted ones first, then by how far they moved."""
    return sorted(drift.columns, key=lambda c: (not c.drifted, not c.judged, -c.effect)) if drift else []


def bars(column: ColumnDrift) -> list[Bar]:
    """Return the bins of a column as pairs of bars that fill the picture."""
    if not column.labels:
        return []
    top = max(*column.before, *column.after, 1e-9)
    step = WIDTH / len(column.labels)
    return [
        Bar(round(i * step, 2), round(step * 0.42, 2), round(b / top * HEIGHT, 2), round(a / top * HEIGHT, 2), title)
        for i, (label, b, a) in enumerate(zip(column.labels, column.before, column.after, strict=True))
        if (title := f"{label}: {b:.1%} before, {a:.1%} now")
    ]


def text(value: str, limit: int = TEXT) -> str:
    """Make a text safe and short for a Markdown table."""
    safe = " ".join(value.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"


def _urgency(finding: Finding) -> tuple[int, bool]:
    return -list(TONES).index(finding.severity), finding.judged


def _subject(evidence: Evidence) -> str:
    champion = f"champion v{evidence.champion}" if evidence.champion is not None else "no champion yet"
    return f"{text(evidence.model)}: batch {evidence.batch[:12]}, {evidence.rows:,} rows, {champion}"


def _figures(evidence: Evidence, decision: Decision, drift: Drift | None) -> list[tuple[str, str, str]]:
    """Return the few numbers that an operator looks for first."""
    figures = [
        ("rows in the batch", f"{evidence.rows:,}", ""),
        ("labelled rows since promotion", f"{evidence.labels:,}", ""),
    ]
    if drift and drift.judged:
        moved = len(drift.drifted)
        figures.append((f"of {len(drift.columns)} columns moved", f"{moved}", "warn" if moved else "good"))
    for finding in decision.findings:
        if finding.signal == "performance" and finding.judged and finding.effect is not None:
            figures.append(("change of the mean loss", f"{finding.effect:+.0%}", "bad" if finding.speaks else "good"))
    return figures


def _listed(title: str, items: tuple[str, ...]) -> list[str]:
    if not items:
        return []
    more = [f"- and {len(items) - SHOWN_ROWS} more"] if len(items) > SHOWN_ROWS else []
    return [f"**{title}**", "", *(f"- {text(item)}" for item in items[:SHOWN_ROWS]), *more, ""]


def _table(moved: list[ColumnDrift]) -> list[str]:
    if not moved:
        return []
    rows = [
        f"| {text(c.column, 60)} | {c.moved:.0%} | {c.nulls_before:.0%} → {c.nulls_after:.0%} | {_where(c)} |"
        for c in moved[:SHOWN_ROWS]
    ]
    more = [f"\n…and {len(moved) - SHOWN_ROWS} more columns."] if len(moved) > SHOWN_ROWS else []
    head = "| column | rows that moved | nulls | largest change |"
    return [head, "|---|---:|---:|---|", *rows, *more, ""]


def _where(column: ColumnDrift) -> str:
    if not column.labels:
        return ""
    most = int(np.argmax(np.abs(np.subtract(column.after, column.before))))
    return text(f"{column.labels[most]}: {column.before[most]:.0%} → {column.after[most]:.0%}", 80)
