"""How long networks are trained, and what is kept of it; how many rows neighbours are."""

import time

import numpy as np
import pytest

from everfit.search.estimators import Job, Rows, family
from everfit.search.estimators.epochs import Best, loss, patience
from everfit.search.estimators.neighbors import KEPT

CHANCE = np.random.default_rng(0)
JOB = Job("regression", "mae", 400, 3)


def watched(*losses, patience=2):
    best = Best(patience)
    for epoch, value in enumerate(losses, 1):
        best.see(value, lambda epoch=epoch: f"weights of {epoch}")
    return best


@pytest.mark.parametrize(
    ("losses", "kept", "over"),
    [
        ((3.0, 2.0, 1.0), 3, False),
        ((3.0, 1.0, 2.0), 2, False),
        ((3.0, 1.0, 2.0, 2.0), 2, True),
        ((float("nan"), 2.0), 2, False),
        ((1.0, float("nan"), float("nan")), 1, True),
        ((float("nan"), float("nan"), float("nan")), 1, True),
        ((None, None, None), 3, False),
    ],
)
def test_the_best_epoch_is_kept_and_patience_ends(losses, kept, over):
    best = watched(*losses)
    assert (best.epoch, best.state, best.over) == (kept, f"weights of {kept}", over)


def test_few_rows_are_given_more_epochs_to_get_better():
    assert patience(60, 32) > patience(100_000, 32)


@pytest.mark.parametrize(("metric", "expected"), [("mae", 1.5), ("rmse", 2.5)])
def test_a_distance_is_of_the_metrics_kind(metric, expected):
    job = Job("regression", metric, 2, 1)
    assert loss(np.array([1.0, 2.0]), np.array([0.0, 0.0]), job) == expected


def test_weights_count_in_the_loss():
    job = Job("binary", "log_loss", 2, 1)
    said = np.array([[0.5, 0.5], [0.0, 1.0]])
    assert loss(said, np.array([0, 1]), job, np.array([0.0, 1.0])) == pytest.approx(0)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_numbers_of_any_size_are_learnt(size):
    X = CHANCE.normal(size=(400, 3)).astype("float32")
    y = size * (1000 + X[:, 0] + X[:, 1] ** 2)
    mlp = family("mlp")
    model = mlp.build(mlp.defaults(JOB), JOB)
    mlp.fit(model, mlp.defaults(JOB), Rows(X[:300], y[:300]), JOB, Rows(X[300:], y[300:]))
    assert np.corrcoef(model.predict(X[300:]), y[300:])[0, 1] > 0.8


def test_rows_of_no_weight_teach_nothing():
    X = CHANCE.normal(size=(400, 3)).astype("float32")
    wrong = CHANCE.random(400) < 0.5
    y = np.where(wrong, -5.0, 5.0) * X[:, 0]
    mlp = family("mlp")
    model = mlp.build(mlp.defaults(JOB), JOB)
    mlp.fit(model, mlp.defaults(JOB), Rows(X, y, (~wrong).astype(float)), JOB)
    assert np.corrcoef(model.predict(X), 5.0 * X[:, 0])[0, 1] > 0.9


def test_a_network_that_is_kept_holds_no_optimizer():
    mlp = family("mlp")
    X = CHANCE.normal(size=(400, 3)).astype("float32")
    model = mlp.build(mlp.quick(JOB), JOB)
    mlp.fit(model, mlp.quick(JOB), Rows(X, X[:, 0]), JOB)
    assert not any("optimizer" in name for name in vars(model.model))


def test_neighbours_are_a_bounded_number_of_rows_from_everywhere():
    X = CHANCE.normal(size=(3 * KEPT, 30)).astype("float32")
    job = Job("regression", "mae", len(X), 30)
    neighbors = family("neighbors")
    model = neighbors.build(neighbors.defaults(job), job)
    neighbors.fit(model, neighbors.defaults(job), Rows(X, np.arange(len(X), dtype=float)), job)
    assert model.model.n_samples_fit_ == KEPT
    assert model.predict(X[[0]])[0] == pytest.approx(0, abs=1)
    assert model.predict(X[[-1]])[0] == pytest.approx(len(X) - 1)
    began = time.process_time()
    for at in range(20):
        model.predict(X[[at]])
    assert (time.process_time() - began) / 20 < 0.03  # a tenth of it on an idle machine
