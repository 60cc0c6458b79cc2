"""A network as arrays: it predicts without what it was trained with, and the same."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from everfit.models.network import AT_ONCE, Network, active, embedded, positions
from everfit.search.estimators import Job
from everfit.search.estimators.network import Network as Family

CHANCE = np.random.default_rng(0)
ROWS = np.hstack([CHANCE.integers(0, 4, (200, 2)), CHANCE.normal(size=(200, 3))]).astype("float32")
ROWS[::7, 0] = np.nan
JOB = Job("multiclass", "log_loss", 200, 5, classes=3, categories=2)


def test_a_network_of_one_layer_is_a_table_and_a_sum():
    table = np.array([[10.0], [1.0], [2.0], [3.0]], dtype="float32")  # a gap, two levels, all others
    last = {"weight": np.array([[1.0], [100.0]], dtype="float32"), "bias": np.array([0.5], dtype="float32")}
    made = Network().load([table], {}, [last])
    X = np.array([[np.nan, 0.0], [0.0, 1.0], [1.0, 2.0], [2.0, 0.0], [50.0, 0.0]])
    np.testing.assert_allclose(made.predict(X), [10.5, 101.5, 202.5, 3.5, 3.5])


def test_probabilities_sum_to_one_however_large_the_outputs():
    last = {"weight": np.array([[1e4, -1e4, 0.0]], dtype="float32"), "bias": np.zeros(3, dtype="float32")}
    said = Network().load([], {}, [last]).predict_proba(np.array([[1.0], [-1.0], [0.0]]))
    np.testing.assert_allclose(said, [[1, 0, 0], [0, 1, 0], [1 / 3] * 3])


def test_a_number_is_as_far_through_its_ranges_as_it_is():
    by = {
        "low": np.array([[0.0, 1.0, 0.0]], dtype="float32"),
        "inverse": np.array([[1.0, 0.5, 0.0]], dtype="float32"),  # from 0 to 1, from 1 to 3, and no third range
        "weight": np.eye(3, dtype="float32")[None],
        "bias": np.zeros((1, 3), dtype="float32"),
    }
    made = embedded(np.array([[-9.0], [0.5], [2.0], [9.0]]), by)
    np.testing.assert_allclose(made, [[0, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 0]])


def test_activations_are_what_their_names_say():
    values = np.array([-2.0, 0.0, 2.0])
    np.testing.assert_allclose(active(values, "relu"), [0, 0, 2])
    np.testing.assert_allclose(active(values, "silu"), values / (1 + np.exp(-values)))
    np.testing.assert_allclose(active(values, "gelu"), [-0.04550026, 0, 1.95449974], rtol=1e-6)


def test_many_rows_and_no_rows_are_predicted_like_few():
    last = {"weight": np.array([[2.0]], dtype="float32"), "bias": np.zeros(1, dtype="float32")}
    made = Network().load([], {}, [last])
    many = CHANCE.normal(size=(2 * AT_ONCE + 3, 1)).astype("float32")
    np.testing.assert_allclose(made.predict(many), 2 * many[:, 0])
    assert made.predict(many[:0]).shape == (0,)


def test_it_says_that_it_cannot_learn_by_itself():
    with pytest.raises(TypeError, match="trained by the search"):
        clone(Network()).fit(ROWS, ROWS[:, 2])


def test_codes_find_their_rows():
    codes = np.array([np.nan, 0.0, 2.0, 3.0, 99.0])
    assert positions(codes, 5).tolist() == [0, 1, 3, 4, 4]


NUMBERS, NORMS, ACTIVE = ("none", "piecewise", "periodic"), ("none", "layer", "batch"), ("relu", "silu", "gelu")
SHAPES = list(product(NUMBERS, NORMS, ACTIVE, (False, True)))


@pytest.mark.parametrize(("numbers", "norm", "activation", "skip"), SHAPES)
def test_the_arrays_say_what_torch_says(numbers, norm, activation, skip):
    torch = pytest.importorskip("torch")
    from everfit.search.estimators.layers import Net

    more = {"numbers": numbers, "norm": norm, "activation": activation, "skip": skip, "taper": 0.5 if skip else 1.0}
    params = Family().defaults(JOB) | more | {"sigma": 1.0}
    torch.manual_seed(0)
    net = Net(params, ROWS, JOB)
    net(torch.from_numpy(ROWS))  # a batch normalisation notes mean and deviation
    made = Network(activation).load(*net.eval().exported())
    check_is_fitted(made)
    with torch.no_grad():
        np.testing.assert_allclose(made.outputs(ROWS), net(torch.from_numpy(ROWS)).numpy(), rtol=1e-5, atol=1e-5)


def test_predicting_needs_no_torch():
    code = (
        "import sys; import numpy as np; from everfit.models.network import Network\n"
        "last = {'weight': np.ones((2, 1), 'float32'), 'bias': np.zeros(1, 'float32')}\n"
        "said = Network().load([], {}, [last]).predict(np.ones((3, 2)))\n"
        "sys.exit('torch' in sys.modules or said.tolist() != [2, 2, 2])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
