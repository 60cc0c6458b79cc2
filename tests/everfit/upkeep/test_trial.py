"""A new world's first batch says by itself whether a model of it alone is far better than those of the old one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from everfit.spec import Refit
from everfit.upkeep.advance import begin
from everfit.upkeep.gate import Newest
from everfit.upkeep.trial import tried
from everfit.upkeep.windows import ALL, RECENT

POLICY = Refit()
DICE = np.random.default_rng(0)
X = pd.DataFrame({"a": DICE.normal(size=200)})
NOISE = 0.3 * DICE.normal(size=200)


def anew(task="regression"):
    return replace(begin(POLICY, task), batches=9, jumped=9)


def test_windows_are_weighed_by_the_second_half_of_the_batch_with_a_model_of_the_first():
    y = -X["a"].to_numpy() + NOISE
    newest, asked = Newest(X, y, {ALL: X["a"].to_numpy(), RECENT: X["a"].to_numpy()}, None), []

    def fit(rows):
        asked.append(rows)
        return LinearRegression().fit(X[:rows], y[:rows])

    after = tried(newest, anew(), POLICY, fit)
    assert asked == [100]
    assert after.served.weights[RECENT] > 0.99
    assert after.track(RECENT).loss == pytest.approx(np.abs(NOISE[100:]).mean(), rel=0.1)
    for other in (replace(anew(), jumped=8), replace(anew(), jumped=None)):
        assert tried(newest, other, POLICY, fit) is other
    assert len(asked) == 1


@pytest.mark.parametrize("slope", [0.0, 0.6])
def test_what_cannot_be_learnt_or_has_changed_little_changes_no_weights(slope):
    y = slope * X["a"].to_numpy() + NOISE if slope else DICE.permutation(5 * X["a"].to_numpy())
    newest = Newest(X, y, {ALL: X["a"].to_numpy()}, None)
    before = anew()
    assert tried(newest, before, POLICY, lambda rows: LinearRegression().fit(X[:rows], y[:rows])) is before


def test_classes_are_weighed_too_and_half_a_batch_of_one_class_teaches_nothing():
    y = (X["a"].to_numpy() < 0).astype(int)  # as the old models say it, turned round
    wrong = np.column_stack([1 - y, y])[:, ::-1] * 0.9 + 0.05
    newest, before = Newest(X, y, {ALL: wrong}, np.array([0, 1])), anew("binary")
    assert tried(newest, before, POLICY, lambda _: None) is before
    after = tried(newest, before, POLICY, lambda rows: LogisticRegression().fit(X[:rows], y[:rows]))
    assert after.served.weights[RECENT] > 0.99
