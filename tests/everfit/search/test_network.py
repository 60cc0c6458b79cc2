"""How a network is trained, and where there is none."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from everfit import spec
from everfit.errors import SpecError
from everfit.search.estimators import Job, Rows
from everfit.search.estimators.network import Network

NETWORK = Network()
CHANCE = np.random.default_rng(0)
N = 600
X = np.hstack([CHANCE.integers(0, 5, (N, 1)), CHANCE.normal(size=(N, 2))]).astype("float32")
MEANS = np.array([3.0, -1.0, 0.5, -2.0, 4.0])
Y = MEANS[X[:, 0].astype(int)] + np.sin(3 * X[:, 1])
JOB = Job("regression", "mae", N, 3, categories=1)


def fitted(more=None, *, job=JOB, y=Y, weight=None, judged=True):
    params = NETWORK.defaults(job) | (more or {})
    model = NETWORK.build(params, job)
    rows, valid = Rows(X[:400], y[:400], weight), Rows(X[400:], y[400:])
    return model, NETWORK.fit(model, params, rows, job, valid if judged else None)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


# With torch


@pytest.mark.parametrize("numbers", ["none", "piecewise", "periodic"])
def test_it_learns_levels_and_curves(torch, numbers):
    model, learnt = fitted({"numbers": numbers})
    assert np.mean(np.abs(model.predict(X[400:]) - Y[400:])) < 0.3
    assert learnt["epochs"] > 1


def test_the_seed_decides_and_the_callers_chance_stays_as_it_was(torch):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one, two = fitted({"epochs": 3})[0], fitted({"epochs": 3})[0]
    assert torch.rand(1) == expected
    other = fitted({"epochs": 3}, job=replace(JOB, seed=1))[0]
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    assert not np.allclose(one.predict(X), other.predict(X))


def test_rows_of_no_weight_teach_nothing(torch):
    weight = (X[:400, 0] != 0).astype(float)
    y = np.where(X[:, 0] == 0, 1e3, Y)
    assert np.abs(fitted(y=y, weight=weight, judged=False)[0].predict(X)).max() < 50


def test_a_level_that_training_never_saw_is_the_mean_of_the_others(torch):
    model, _ = fitted()
    table, counts = model.model.tables_[0], np.bincount(X[:400, 0].astype(int))
    mean = np.average(table[1:6], axis=0, weights=counts)
    np.testing.assert_allclose(table[[0, 6]], [mean, mean], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict([[99, 0, 0]]), model.predict([[np.nan, 0, 0]]), rtol=1e-4)


def test_a_loss_that_explodes_leaves_a_model_that_answers(torch):
    model, _ = fitted({"learning_rate": 1e-2, "dropout": 0.0, "depth": 5}, y=1e30 * Y)
    assert np.isfinite(model.predict(X)).all()


def test_a_single_row_and_a_single_batch_are_enough_for_a_batch_normalisation(torch):
    job = replace(JOB, rows=33)
    params = NETWORK.defaults(job) | {"norm": "batch", "batch_size": 32, "epochs": 2}
    model = NETWORK.build(params, job)
    NETWORK.fit(model, params, Rows(X[:33], Y[:33]), job)
    assert np.isfinite(model.predict(X[:1])).all()


def test_steps_are_those_of_adamw(torch):
    from everfit.search.estimators.descent import Descent

    ours, theirs = (torch.nn.Linear(2, 1) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    groups = [{"params": [theirs.weight], "weight_decay": 0.1}, {"params": [theirs.bias], "weight_decay": 0.0}]
    usual, descent = torch.optim.AdamW(groups, lr=0.01), Descent(ours, 0.01, 0.1, memory=1)
    rows = torch.from_numpy(X[:, :2])
    for _ in range(20):
        descent.step(ours(rows).square().mean())
        usual.zero_grad()
        theirs(rows).square().mean().backward()
        usual.step()
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
        torch.testing.assert_close(descent.mean.state_dict()[name], value)  # it remembers one step


def test_training_imports_no_compiler(torch):
    code = (
        "import sys; import numpy as np; from everfit.search.estimators import Job, Rows, family\n"
        "job, network, X = Job('regression', 'mae', 40, 2), family('network'), np.eye(40)\n"
        "params = network.quick(job); network.fit(network.build(params, job), params, Rows(X, X[:, 0]), job)\n"
        "sys.exit('torch' not in sys.modules or 'torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ranges_hold_equally_many_rows_and_a_flag_has_one(torch):
    from everfit.search.estimators.layers import ranges

    low, inverse = ranges(np.column_stack([np.linspace(0, 1, 101), np.arange(101) == 7, np.ones(101)]), 4)
    np.testing.assert_allclose(low[0], [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(inverse, [[4, 4, 4, 4], [1, 0, 0, 0], [0, 0, 0, 0]])


# Without torch


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setattr(spec.search, "find_spec", lambda name: None)


def test_the_families_of_a_search_leave_it_out_where_there_is_no_torch(bare):
    assert "network" not in spec.Search().estimators
    assert {"lightgbm", "mlp", "neighbors"} <= set(spec.Search().estimators)


def test_a_model_file_that_names_it_says_what_to_install(bare, tmp_path):
    file = tmp_path / "bike.yaml"
    file.write_text("name: bike\ndata: {source: x.csv, target: y}\nsearch: {estimators: [linear, network]}\n")
    with pytest.raises(SpecError, match=r"1 mistake") as refused:
        spec.load_spec("bike", tmp_path)
    assert 'pip install "everfit[torch]"' in "\n".join(refused.value.details)


def test_the_families_are_listed_without_importing_torch():
    code = "import sys; import everfit.search.estimators; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
