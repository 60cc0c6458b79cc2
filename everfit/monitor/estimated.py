"""How good is the champion on rows without labels? What its own confidence says, calibrated where labels are known.

The expected log loss of a row follows from calibrated probabilities (confidence-based performance estimation: Guo et
al. 2017 on calibration, Garg et al. 2022 on its limits); the expected absolute error of a number from a model of the
errors on held-out rows. Both see that rows became harder, and neither that the world changed: what a column means
for the target is taken to be as it was. When labels come, the estimate is compared with them and its error is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression

from everfit.monitor.answered import Answered
from everfit.monitor.counts import Floats
from everfit.monitor.findings import Finding
from everfit.monitor.matrix import matrix
from everfit.monitor.means import rise
from everfit.monitor.view import View

SIGNAL = "estimated performance"
PARTS = 4
LEAST = 1e-7  # the least probability that the log loss of a row believes
TREES: dict[str, Any] = {
    "max_iter": 30,
    "learning_rate": 0.2,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 20,
    "early_stopping": False,
    "random_state": 0,
}

Learn = Callable[[Floats, Floats], Callable[[Floats], Floats]]  # from rows and what is known of them


def judge(view: View) -> Finding:
    """Ask to watch when the batch is estimated to cost clearly more than held-out rows; say by how much it may be off.

    An estimate that labels have shown to be off by more than what matters cannot be judged by.
    """
    past, batch, known = view.heldout.known, view.batch, view.labelled.known
    if len(past) < view.policy.min_labels:
        return Finding.cannot_judge(SIGNAL, f"only {len(past):,} held-out rows, {view.policy.min_labels:,} needed")
    if max(len(batch) / view.policy.min_rows, len(known) / view.policy.min_labels) < 1:
        return Finding.cannot_judge(SIGNAL, f"not enough rows: {len(batch):,} in the batch, {len(known):,} with labels")
    before, now, then = _estimates(view, past, batch, known)
    error, blind = _error(then, _capped(known.losses, past.losses), _capped(past.losses, past.losses) - before, view)
    if blind:
        return Finding.cannot_judge(SIGNAL, f"{error}. It does not see what has changed")
    if len(batch) < view.policy.min_rows:
        return Finding(SIGNAL, error)
    cost = rise(before, now)
    speaks = cost.p_value < view.policy.significance and cost.share >= view.policy.loss_increase
    text = (
        f"without labels the mean loss of the batch is estimated as {cost.after:.4g}, against {cost.before:.4g} of "
        f"held-out rows: {cost.share:+.0%} (p = {cost.p_value:.2g}); {error}"
    )
    return cost.finding(SIGNAL, text, "watch" if speaks else "fine")


def _estimates(view: View, past: Answered, *others: Answered) -> tuple[Floats, ...]:
    """Return the expected loss of all rows, the past ones each learnt from the other parts of the past."""
    learn, X, truth = (_errors if view.task == "regression" else _confidence)(view, past, *others)
    part, rest = np.arange(len(past)) * PARTS // len(past), X[len(past) :]
    before, after = np.empty(len(past)), np.zeros(len(rest))
    for at in range(PARTS):
        estimate = learn(X[: len(past)][part != at], truth[part != at])
        before[part == at] = estimate(X[: len(past)][part == at])
        after += estimate(rest) / PARTS if len(rest) else 0.0
    return before, *np.split(after, np.cumsum([len(other) for other in others])[:-1])


def _confidence(view: View, *sides: Answered) -> tuple[Learn, Floats, Floats]:
    """Bend each class's probability to how often it came true, step by step."""

    def learn(proba: Floats, truth: Floats) -> Callable[[Floats], Floats]:
        steps = [IsotonicRegression(out_of_bounds="clip").fit(*pair) for pair in zip(proba.T, truth.T, strict=True)]

        def estimate(rows: Floats) -> Floats:
            shares = np.column_stack([step.predict(side) for step, side in zip(steps, rows.T, strict=True)])
            shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), LEAST)
            return np.asarray(-(shares * np.log(np.clip(rows, LEAST, 1.0))).sum(axis=1))

        return estimate

    return learn, np.concatenate([side.proba for side in sides if len(side)]), sides[0].truth(view.target)


def _errors(view: View, *sides: Answered) -> tuple[Learn, Floats, Floats]:
    """Learn from inputs and answers how large an error is to be expected."""

    def learn(rows: Floats, losses: Floats) -> Callable[[Floats], Floats]:
        estimate: Callable[[Floats], Floats] = HistGradientBoostingRegressor(**TREES).fit(rows, losses).predict
        return estimate

    sides = tuple(side for side in sides if len(side))
    inputs = matrix([side.frame for side in sides], view.inputs).to_numpy()
    said = np.concatenate([side.said.values for side in sides])
    return learn, np.column_stack([inputs, said]), _capped(sides[0].losses, sides[0].losses)


def _capped(losses: Floats, usual: Floats) -> Floats:
    """Bound what one absurd row can do."""
    return np.minimum(losses, 3 * float(np.quantile(usual, 0.995)))


def _error(then: Floats, losses: Floats, usual: Floats, view: View) -> tuple[str, bool]:
    """Say how far the estimate was off where labels are known by now, and whether that is more than may be.

    A version answers the same for ever: what is estimated now of rows is what was estimated when they came. Errors on
    held-out rows are the `usual` ones, which chance alone makes as large as that.
    """
    if len(then) < view.policy.min_labels:
        return f"{len(then):,} labels since promotion say too little of how far off that is", False
    said, cost, gap = float(then.mean()), float(losses.mean()), rise(usual, losses - then)
    off = (said - cost) / max(cost, 1e-12)
    text = f"of {len(then):,} rows whose labels are known by now it says {said:.4g}, and they cost {cost:.4g}"
    p_value = 2 * min(gap.p_value, 1 - gap.p_value)
    blind = p_value < view.policy.significance and abs(off) >= view.policy.loss_increase
    return f"{text}: it is off by {off:+.0%}", blind
