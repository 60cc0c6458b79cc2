"""Show a decision as a page of its own: what happened, what is done and what may be done first, then what says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everfit import pages
from everfit.monitor import blend
from everfit.monitor.decision import Decision, Evidence, Verdict
from everfit.monitor.diagnosis import Name
from everfit.monitor.headline import against, by_urgency, headline
from everfit.monitor.moved import ColumnDrift, Drift
from everfit.upkeep.state import Mix

SHOWN_COLUMNS = 100
TONES: dict[str, str] = {"fine": "good", "watch": "warn", "retrain": "calm", "repair": "bad"}
VERDICT_TONES: dict[Verdict, str] = {
    "fine": "good",
    "watch": "warn",
    "retrain": "calm",
    "data fault: repair the feed": "bad",
}
DIAGNOSIS_TONES: dict[Name, str] = {
    "broken feed": "bad",
    "the world changed": "calm",
    "season seen before": "calm",
    "inputs moved but the model holds": "warn",
    "nothing unusual": "good",
    "not enough evidence": "none",
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
    history: Sequence[tuple[str, Mix]] = (),
) -> Path:
    """Write one self-contained HTML file.

    `evidently` and `performance` are the names of Evidently's reports beside it, of the columns and of predictions
    against labels, or why there is none. `history` is batch and mix of the last decisions, this one's last.
    """
    columns, upkeep = ordered(drift), decision.upkeep
    return pages.render(
        "monitor/page.html.jinja",
        path,
        evidence=evidence,
        decision=decision,
        drift=drift,
        headline=headline(decision),
        against=against(decision),
        tone=VERDICT_TONES[decision.verdict],
        diagnosed=DIAGNOSIS_TONES[decision.diagnosis.name] if decision.diagnosis else "none",
        tones=TONES,
        others=[c for c in (drift.prediction, drift.target) if c] if drift else [],
        columns=columns[:SHOWN_COLUMNS],
        hidden=max(0, len(columns) - SHOWN_COLUMNS),
        findings=by_urgency(decision.findings),
        figures=_figures(evidence, decision, drift),
        bars=bars,
        blend=blend.picture(history),
        standings=blend.standings(upkeep) if upkeep else [],
        size=(blend.WIDTH, blend.HEIGHT, blend.MIDDLE),
        reports=[name for name in (evidently, performance) if name.endswith(".html")],
        degraded=[why for why in (evidently, performance) if why and not why.endswith(".html")],
        width=WIDTH,
        height=HEIGHT,
    )


def ordered(drift: Drift | None) -> list[ColumnDrift]:
    """Return the columns, drifted ones first and of these those that matter most, then by how far they moved."""
    return sorted(drift.columns, key=lambda c: (c.drifted, c.judged, *c.rank), reverse=True) if drift else []


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


def _figures(evidence: Evidence, decision: Decision, drift: Drift | None) -> list[tuple[str, str, str]]:
    """Return the few numbers that an operator looks for first."""
    figures = [
        ("rows in the batch", f"{evidence.rows:,}", ""),
        ("labelled rows since its search", f"{evidence.labels:,}", ""),
    ]
    if drift and drift.judged:
        moved = len(drift.drifted)
        figures.append((f"of {len(drift.columns)} columns moved", f"{moved}", "warn" if moved else "good"))
    for finding in decision.findings:
        if finding.signal == "performance" and finding.judged and finding.effect is not None:
            figures.append(("change of the mean loss", f"{finding.effect:+.0%}", "bad" if finding.speaks else "good"))
    return figures
