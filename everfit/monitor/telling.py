"""Tell a decision in bounded Markdown for Prefect's UI: verdict, diagnosis and what to do before all else."""

from __future__ import annotations

import numpy as np

from everfit.monitor.decision import Decision, Evidence
from everfit.monitor.findings import Finding
from everfit.monitor.headline import against, by_urgency, headline
from everfit.monitor.moved import ColumnDrift, Drift
from everfit.monitor.rendering import ordered

SHOWN_ROWS = 10
TEXT = 300


def markdown(evidence: Evidence, decision: Decision, drift: Drift | None = None) -> str:
    """Write verdict, diagnosis and what to do, then why; of long lists the first ten, the rest is counted."""
    lines = [f"## {headline(decision)}", "", f"{_subject(evidence)}, decision {decision.id}", ""]
    lines += _diagnosed(decision)
    lines += _listed("What to do", decision.next_steps)
    lines += _listed("Why", decision.reasons) + _listed(against(decision), decision.withheld)
    lines += _promised(decision) + _signals(decision) + _blended(decision)
    lines += _table([c for c in ordered(drift) if c.drifted])
    return "\n".join(lines).rstrip() + "\n"


def text(value: str, limit: int = TEXT) -> str:
    """Make a text safe and short for a Markdown table."""
    safe = " ".join(value.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"


def _subject(evidence: Evidence) -> str:
    champion = f"champion v{evidence.champion}" if evidence.champion is not None else "no champion yet"
    return f"{text(evidence.model)}: batch {evidence.batch[:12]}, {evidence.rows:,} rows, {champion}"


def _listed(title: str, items: tuple[str, ...]) -> list[str]:
    if not items:
        return []
    more = [f"- and {len(items) - SHOWN_ROWS} more"] if len(items) > SHOWN_ROWS else []
    return [f"**{title}**", "", *(f"- {text(item)}" for item in items[:SHOWN_ROWS]), *more, ""]


def _diagnosed(decision: Decision) -> list[str]:
    if decision.diagnosis is None:
        return []
    return [f"**Diagnosis: {decision.diagnosis.name}.** {text(decision.diagnosis.sentence)}", ""]


def _promised(decision: Decision) -> list[str]:
    if decision.diagnosis is None or decision.action == "repair":
        return []
    rows = [
        f"| {f'**{one.action}**' if one.action == decision.action else one.action} | {text(one.expects)} | {one.cost} |"
        for one in decision.diagnosis.prospects
    ]
    return ["| action | what it is expected to bring | what it costs |", "|---|---|---|", *rows, ""]


def _signals(decision: Decision) -> list[str]:
    found = by_urgency(decision.findings)
    rows = [f"| {text(one.signal, 60)} | {_says(one)} | {text(one.text)} |" for one in found[:SHOWN_ROWS]]
    more = [f"\n…and {len(found) - SHOWN_ROWS} more signals."] if len(found) > SHOWN_ROWS else []
    return ["| signal | says | in words |", "|---|---|---|", *rows, *more, ""] if rows else []


def _says(finding: Finding) -> str:
    return "cannot judge" if not finding.judged else finding.severity if finding.speaks else "silent"


def _blended(decision: Decision) -> list[str]:
    """Write in one line how the windows answer together."""
    if decision.upkeep is None:
        return []
    mix = decision.upkeep.served
    shares = ", ".join(f"{share:.0%} {name} rows" for name, share in mix.weights.items())
    return [f"**Blend:** {shares}; answers moved by {mix.move:+.3g}", ""]


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
