"""Has the champion's loss risen on labelled rows, by more than chance and by enough to matter?

Losses in the order of time are alike from one row to the next, so that a thousand of them may say no more than
fifty independent ones would. Each mean's error is therefore taken from the means of twenty successive blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from everfit.monitor.counts import Floats
from everfit.monitor.findings import Finding, finite

BLOCKS = 20
SIGNAL = "performance"


@dataclass(frozen=True)
class _Window:
    """One window of the current losses, against the reference."""

    name: str
    rows: int
    before: float
    after: float
    statistic: float
    p_value: float

    @property
    def rise(self) -> float:
        """The relative rise of the mean loss; a rise from nothing counts as a thousandfold."""
        if self.after <= self.before:
            return (self.after - self.before) / self.before if self.before else 0.0
        return min((self.after - self.before) / self.before, 1e3) if self.before else 1e3


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
    before, after = np.minimum(before, cap), np.minimum(after, cap)
    windows = [
        _window("since promotion" if rows == len(after) else "of the latest rows", before, after[-rows:])
        for rows in _spans(len(after), recent or 0, min_labels)
    ]
    return _finding(windows, level / len(windows), min_increase)


def _spans(rows: int, recent: int, fewest: int) -> list[int]:
    """Return how many of the last rows each window holds, all of them first."""
    halves = [rows >> times for times in range(rows.bit_length())]
    return sorted({span for span in (*halves, recent) if fewest <= span <= rows}, reverse=True)


def _cap(losses: Floats) -> float:
    """Bound what one absurd row can do; never below a loss that the champion was promoted with."""
    cap = max(3 * float(np.quantile(losses, 0.995)), float(losses.max()))
    return cap if cap > 0 else np.inf


def _window(name: str, before: Floats, after: Floats) -> _Window:
    """Compare means by Welch's test on block means, with the larger of both error estimates."""
    (error_before, freedom_before), (error_after, freedom_after) = _error(before), _error(after)
    variance = error_before + error_after
    means = float(before.mean()), float(after.mean())
    if not variance:
        return _Window(name, len(after), *means, 0.0, 0.0 if means[1] > means[0] else 1.0)
    freedom = variance**2 / (error_before**2 / freedom_before + error_after**2 / freedom_after)
    statistic = (means[1] - means[0]) / variance**0.5
    return _Window(name, len(after), *means, statistic, float(stats.t.sf(statistic, freedom)))


def _error(losses: Floats) -> tuple[float, int]:
    """Return the squared error of the mean, and its degrees of freedom.

    Blocks see what neighbours share; where even the blocks are alike, their first autocorrelation says how much.
    """
    blocks = min(BLOCKS, len(losses) // 2)
    means = np.array([part.mean() for part in np.array_split(losses, blocks)])
    away = means - means.mean()
    alike = float(np.clip(away[1:] @ away[:-1] / max(away @ away, 1e-300), 0, 0.9))
    spread = float(means.var(ddof=1)) / blocks * (1 + alike) / (1 - alike)
    return max(spread, float(losses.var(ddof=1)) / len(losses)), blocks - 1


def _finding(windows: list[_Window], level: float, min_increase: float) -> Finding:
    alarms = [w for w in windows if w.p_value < level and w.rise >= min_increase]
    shown = min(alarms or windows[:1], key=lambda w: w.p_value)
    text = (
        f"the mean loss {shown.name} is {shown.after:.4g} on {shown.rows:,} rows, against {shown.before:.4g} "
        f"when the champion was judged: {shown.rise:+.0%} (p = {shown.p_value:.2g}; {min_increase:.0%} matters)"
    )
    return Finding(
        SIGNAL,
        text,
        severity="retrain" if alarms else "fine",
        statistic=finite(shown.statistic),
        p_value=finite(shown.p_value),
        effect=finite(shown.rise),
    )
