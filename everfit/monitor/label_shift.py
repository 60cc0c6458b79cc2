"""Have the shares of the classes moved? Answers tell before labels come, if nothing but the shares has changed.

Black-box shift estimation (Lipton, Wang and Smola 2018), with probabilities in place of labels: on held-out rows it is
known what a champion says on average of each class, so that its average answer to a batch says how often each came.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from everfit.monitor.counts import Floats
from everfit.monitor.drift import MOVED, holm
from everfit.monitor.findings import Finding, finite
from everfit.monitor.means import squared_error
from everfit.monitor.view import View

SIGNAL = "label shift"
WORST = 20.0  # condition of the matrix: by so much may it blow up an error
FEWEST = 20  # held-out rows of a class


def judge(view: View) -> Finding:
    """Ask to watch when the estimated shares have moved by more than chance and by a tenth of the rows."""
    past, now = view.heldout.known, view.likewise
    if view.task == "regression":
        return Finding.cannot_judge(SIGNAL, "the target is a number: its shift shows as target drift, when labels come")
    if min(len(past), len(now)) < view.policy.min_rows:
        fewer = f"{len(now):,} in the batch and {len(past):,} held-out ones, {view.policy.min_rows:,} needed of each"
        return Finding.cannot_judge(SIGNAL, f"not enough rows: {fewer}")
    truth = past.truth(view.target)
    counts = truth.sum(axis=0)
    says = past.proba.T @ truth / np.maximum(counts, 1)  # on average of the rows of each class
    if counts.min() < FEWEST or np.linalg.cond(says) > WORST:
        return Finding.cannot_judge(SIGNAL, "the champion cannot tell some classes apart, so its answers count none")
    return _finding(view, *(np.linalg.solve(says, rows.proba.T).T for rows in (past, now)))


def _finding(view: View, past: Floats, now: Floats) -> Finding:
    """Compare the mean shares of classes, whose errors on both sides come from successive blocks of rows."""
    before, after = past.mean(axis=0), now.mean(axis=0)
    errors = [(squared_error(past[:, at]), squared_error(now[:, at])) for at in range(len(before))]
    spread = np.sqrt([one[0] + two[0] for one, two in errors]) + 1e-12
    statistics = (after - before) / spread
    freedom = [min(one[1], two[1]) for one, two in errors]
    p_values = list(2 * stats.t.sf(np.abs(statistics), freedom))
    p_value = min(holm(p_values if len(p_values) > 2 else p_values[:1]))  # of two classes both say the same
    distance, noise = np.abs(after - before).sum() / 2, spread.sum() / np.sqrt(2 * np.pi)
    moved = float(np.sqrt(max(distance**2 - noise**2, 0.0)))
    most = int(np.argmax(np.abs(after - before)))
    return Finding(
        SIGNAL,
        _told(view, most, float(before[most]), float(after[most]), float(spread[most])),
        severity="watch" if p_value < view.policy.significance and moved >= MOVED else "fine",
        columns=(view.target,),
        statistic=finite(float(statistics[most])),
        p_value=finite(float(p_value)),
        effect=finite(moved),
    )


def _told(view: View, at: int, before: float, after: float, spread: float) -> str:
    """Say which class moved most, and where labels are known what they say of it: that is the estimate's error."""
    assert view.likewise.said.classes is not None
    label = view.likewise.said.classes[at]
    name = "one class" if view.target in view.personal else f"'{label}'"
    text = f"by its answers {name} went from {before:.0%} to {after:.0%} (± {2 * spread:.0%}) of the rows"
    known = view.likewise.known
    if len(known) < view.policy.min_labels:
        return text
    return f"{text}; by {len(known):,} labels it is {(known.frame[view.target] == label).mean():.0%}"
