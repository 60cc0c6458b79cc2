"""What columns did, as findings: of the inputs, of the predictions and of the target.

Inputs that moved are named by what they matter: how far a column moved, times its importance to the champion.
"""

from __future__ import annotations

from everfit.monitor.findings import Finding, finite, listed
from everfit.monitor.moved import ColumnDrift, Drift
from everfit.monitor.view import View

SMALL = 0.01  # a rise of the loss that is hardly one


def inputs(view: View) -> Finding:
    """Ask to watch when a column that matters has moved; what hardly matters is told, and asks for nothing."""
    return of_inputs(view.drift)


def predictions(view: View) -> Finding:
    """Ask to watch when what the champion says has moved."""
    return _of_one("prediction drift", view.drift, view.drift.prediction, "too few predictions on a side")


def target(view: View) -> Finding:
    """Ask to watch when the target has moved, where enough of the batch has its label."""
    return _of_one("target drift", view.drift, view.drift.target, "too few labels of the batch are known")


def of_inputs(drift: Drift) -> Finding:
    """Say what the inputs did."""
    if not drift.judged:
        return Finding.cannot_judge("input drift", drift.why)
    moved, text = drift.drifted, f"none of {len(drift.columns)} columns moved"
    names = tuple(column.column for column in moved)
    if moved:
        text = f"{len(moved)} of {len(drift.columns)} columns moved: {listed(names)}; of {names[0]}, {moved[0].why}"
        text += _mattering(moved[0], drift.importance)
    matters = drift.importance is None or drift.importance >= SMALL
    return Finding(
        "input drift",
        text,
        severity="watch" if moved and matters else "fine",
        columns=names,
        statistic=moved[0].statistic if moved else None,
        p_value=min((c.p_value for c in drift.columns if c.p_value is not None), default=None),
        effect=finite(max((c.effect for c in drift.columns), default=0.0)),
    )


def _mattering(first: ColumnDrift, together: float | None) -> str:
    """Say what the columns are to the champion: shuffled, by how much they raise its loss on held-out rows."""
    if together is None:
        return ""
    if together < SMALL:
        return f". The champion hardly needs what moved: its loss changes by {together:+.1%} without it"
    alone = f", of {first.column} alone by {first.importance:+.0%}" if first.importance is not None else ""
    return f". Without what moved, the champion's loss would rise by {together:.0%}{alone}"


def _of_one(signal: str, drift: Drift, column: ColumnDrift | None, missing: str) -> Finding:
    if not drift.judged or column is None:
        return Finding.cannot_judge(signal, missing if drift.judged else drift.why)
    return Finding(
        signal,
        f"the {signal.removesuffix(' drift')}: {column.why}",
        severity="watch" if column.drifted else "fine",
        judged=column.judged,
        columns=(column.column,),
        statistic=column.statistic,
        p_value=column.p_value,
        effect=finite(column.effect),
    )
