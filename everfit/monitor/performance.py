"""Has the champion's loss risen on labelled rows, by more than chance and by enough to matter?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from everfit.monitor.counts import Floats
from everfit.monitor.findings import Finding
from everfit.monitor.means import BLOCKS, Rise, rise

if TYPE_CHECKING:
    from everfit.monitor.view import View  # with all that reads tables, which a decision need not wait for

SIGNAL = "performance"


@dataclass(frozen=True)
class _Window:
    """One window of the current losses, against the reference; so many of its rows are `cut`."""

    name: str
    rows: int
    loss: Rise
    cut: int


def judge(view: View) -> Finding:
    """Ask for a retraining when the losses since promotion are higher than the champion's on its held-out rows."""
    policy = view.policy
    return compare(
        view.past_losses,
        view.losses,
        level=policy.significance,
        min_increase=policy.loss_increase,
        min_labels=policy.min_labels,
        recent=view.recent,
    )


def compare(
    reference_losses: Floats,
    current_losses: Floats,
    *,
    level: float = 0.01,
    min_increase: float = 0.1,
    min_labels: int = 200,
    recent: int | None = None,
) -> Finding:
    """Test one-sidedly whether the losses since promotion are higher than the champion's on its held-out rows.

    Both are in the order of time. Several windows share the level: all labelled rows since promotion, which see a slow
    decline; the last `recent` rows, such as the newest batch; and the last half, quarter and so on, as labels of many
    batches may come together, and a sudden rise within a window hides in the window's own variance. Few labels on
    either side cannot be judged. Outliers are cut at three times the reference's largest usual loss.
    """
    before, after = (np.asarray(side, dtype=float) for side in (reference_losses, current_losses))
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    if len(after) < min_labels:
        return Finding.cannot_judge(SIGNAL, f"not enough labels: {len(after):,} since promotion, {min_labels:,} needed")
    if len(before) < min(min_labels, 2 * BLOCKS):
        return Finding.cannot_judge(SIGNAL, f"the champion has only {len(before):,} held-out losses to compare with")
    cap = _cap(before)
    windows = [
        _Window(
            "since promotion" if rows == len(after) else "of the latest rows",
            rows,
            rise(before, np.minimum(after[-rows:], cap)),
            int((after[-rows:] > cap).sum()),
        )
        for rows in _spans(len(after), recent or 0, min_labels)
    ]
    return _finding(windows, level, min_increase, cap)


def _spans(rows: int, recent: int, fewest: int) -> list[int]:
    """Return how many of the last rows each window holds, all of them first."""
    halves = [rows >> times for times in range(rows.bit_length())]
    return sorted({span for span in (*halves, recent) if fewest <= span <= rows}, reverse=True)


def _cap(losses: Floats) -> float:
    """Bound what one absurd row can do; never below a loss that the champion was promoted with."""
    cap = max(3 * float(np.quantile(losses, 0.995)), float(losses.max()))
    return cap if cap > 0 else np.inf


def _finding(windows: list[_Window], level: float, min_increase: float, cap: float) -> Finding:
    share = level / len(windows)
    alarms = [w for w in windows if w.loss.p_value < share and w.loss.share >= min_increase]
    shown = min(alarms or windows[:1], key=lambda w: w.loss.p_value)
    loss = shown.loss
    shared = f", as {len(windows)} windows share a level of {level:g}" if len(windows) > 1 else ""
    cut = f" ({shown.cut:,} of which are above {cap:.4g}, and count as that)" if shown.cut else ""
    text = (
        f"the mean loss {shown.name} is {loss.after:.4g} on {shown.rows:,} rows{cut}, against {loss.before:.4g} "
        f"when the champion was judged: {loss.share:+.0%} (p = {loss.p_value:.2g}; "
        f"{min_increase:.0%} with p < {share:.2g} matter{shared})"
    )
    return loss.finding(SIGNAL, text, "retrain" if alarms else "fine")
