"""What a member of a blend is like when it has learnt again."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from everfit.models.anew import anew
from everfit.models.named import Named
from everfit.models.scaled import Scaled

X = np.random.default_rng(0).normal(size=(80, 3))


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (
            Named(MLPClassifier(hidden_layer_sizes=[4], max_iter=3, shuffle=False, random_state=0)),
            np.where(X[:, 0] > 0, "a", "b"),
        ),
        (Scaled(MLPRegressor(hidden_layer_sizes=[4], max_iter=3, shuffle=False, random_state=0)), X[:, 0]),
    ],
)
def test_a_network_learns_shuffled_rows_and_leaves_its_optimiser_behind(model, y):
    learnt = anew(model, X, y)
    assert not hasattr(learnt.model, "_optimizer")
    assert (learnt.model.shuffle, learnt.model.n_iter_, model.model.shuffle) == (True, 3, False)
    assert len(learnt.predict(X)) == 80


def test_others_learn_as_they_are():
    assert anew(KNeighborsRegressor(3), X, X[:, 0]).get_params() == KNeighborsRegressor(3).get_params()
