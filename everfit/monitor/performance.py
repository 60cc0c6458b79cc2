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
BACK = 0.05  # level of the test that the latest rows are better again than those before them


@dataclass(frozen=True)
class _Window:
    """The last so many losses, of which some are `cut`, against the reference."""

    name: str
    losses: Floats
    cut: int
    rise: Rise


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
    either side cannot be judged. Outliers are cut at three times the reference's largest usual loss. A loss that had
    risen and is usual again in the `recent` rows is no reason to act.
    """
    before, after = (np.asarray(side, dtype=float) for side in (reference_losses, current_losses))
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    if len(after) < min_labels:
        return Finding.cannot_judge(SIGNAL, f"not enough labels: {len(after):,} since promotion, {min_labels:,} needed")
    if len(before) < min(min_labels, 2 * BLOCKS):
        return Finding.cannot_judge(SIGNAL, f"the champion has only {len(before):,} held-out losses to compare with")
    cap = _cap(before)
    windows = [_window(before, after, rows, cap) for rows in _spans(len(after), recent or 0, min_labels)]
    alarms = [w for w in windows if w.rise.p_value < level / len(windows) and w.rise.share >= min_increase]
    newest = next((w for w in windows if len(w.losses) == recent), None)
    if newest and alarms and _is_back(newest, alarms, min_increase):
        return newest.rise.finding(SIGNAL, f"{_told(newest)}: it had risen, and is back", "fine")
    return _finding(windows, alarms, level, min_increase)


def _window(before: Floats, after: Floats, rows: int, cap: float) -> _Window:
    name, last = "since promotion" if rows == len(after) else "of the latest rows", after[-rows:]
    losses = np.minimum(last, cap)
    return _Window(name, losses, int((last > cap).sum()), rise(before, losses))


def _spans(rows: int, recent: int, fewest: int) -> list[int]:
    """Return how many of the last rows each window holds, all of them first."""
    halves = [rows >> times for times in range(rows.bit_length())]
    return sorted({span for span in (*halves, recent) if fewest <= span <= rows}, reverse=True)


def _cap(losses: Floats) -> float:
    """Bound what one absurd row can do; never below a loss that the champion was promoted with."""
    cap = max(3 * float(np.quantile(losses, 0.995)), float(losses.max()))
    return cap if cap > 0 else np.inf


def _is_back(newest: _Window, alarms: list[_Window], min_increase: float) -> bool:
    """Say whether the newest rows are clearly better than those before them which made an alarm, and no alarm alone."""
    earlier = min((w.losses for w in alarms), key=len)[: -len(newest.losses)]
    if newest.rise.share >= min_increase or len(earlier) < 2 * BLOCKS:
        return False
    return rise(newest.losses, earlier).p_value < BACK


def _finding(windows: list[_Window], alarms: list[_Window], level: float, min_increase: float) -> Finding:
    shown, share = min(alarms or windows[:1], key=lambda w: w.rise.p_value), level / len(windows)
    shared = f", as {len(windows)} windows share a level of {level:g}" if len(windows) > 1 else ""
    matter = f"(p = {shown.rise.p_value:.2g}; {min_increase:.0%} with p < {share:.2g} matter{shared})"
    return shown.rise.finding(SIGNAL, f"{_told(shown)} {matter}", "retrain" if alarms else "fine")


def _told(window: _Window) -> str:
    """Say how high the loss is."""
    loss, most = window.rise, window.losses.max()
    cut = f" ({window.cut:,} of which are above {most:.4g}, and count as that)" if window.cut else ""
    return (
        f"the mean loss {window.name} is {loss.after:.4g} on {len(window.losses):,} rows{cut}, "
        f"against {loss.before:.4g} when the champion was judged: {loss.share:+.0%}"
    )
