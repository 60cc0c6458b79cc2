import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from everfit import evaluation
from everfit.errors import SpecError
from everfit.search import decision
from everfit.search.blending import Said
from everfit.search.postprocessing import Postprocessing
from tests.everfit.search.test_calibration import told

NAMES = np.array(["a", "b", "c", "d"])


def seen(codes, metric, classes=2, weight=None):
    y, measure = NAMES[codes], evaluation.metric(metric)
    usual = decision.usual(measure, y, weight, NAMES[:classes])
    return Said({}, y, weight, np.arange(len(codes)) % 5, measure, NAMES[:classes], factors=usual)


def rare(classes, seed=0):
    """Return right probabilities of rows, of which the later classes are rare."""
    proba, _ = told(classes, share=0.5, seed=seed)
    proba = proba * np.array([1.0, 0.08, 0.2, 0.05])[:classes]
    proba /= proba.sum(axis=1, keepdims=True)
    draws = np.random.default_rng(seed + 10).random((len(proba), 1))
    return proba, (draws > proba.cumsum(axis=1)).sum(axis=1)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("metric", "reference"), [
    ("balanced_accuracy", balanced_accuracy_score), ("f1_macro", lambda y, said: f1_score(y, said, average="macro")),
])  # fmt: skip
def test_labels_lean_to_rare_classes_where_the_metric_wants_that_and_on_new_rows_too(classes, metric, reference):
    factors = decision.choose(seen(rare(classes)[1], metric, classes), rare(classes)[0])
    proba, codes = rare(classes, seed=1)
    plain, leaning = (reference(codes, np.argmax(proba * each, axis=1)) for each in (1.0, factors))
    assert leaning > plain + (0.07 if metric == "balanced_accuracy" else 0.005)
    assert factors[0] < 0.8


def test_the_likeliest_class_is_said_where_nothing_is_clearly_better():
    proba, codes = told(2, share=0.4)
    assert decision.choose(seen(codes, "accuracy"), proba) is None
    assert decision.choose(seen(codes, "log_loss"), proba) is None


def test_the_threshold_is_smoother_than_the_best_of_the_rows():
    found = []
    for seed in range(6):
        proba, codes = rare(2, seed)
        few = slice(0, 500)
        factors = decision.choose(seen(codes[few], "balanced_accuracy"), proba[few])
        found.append(1.0 if factors is None else factors[0])
    share = rare(2)[1].mean()
    assert np.std(np.log(found)) < 0.5
    assert np.exp(np.mean(np.log(found))) == pytest.approx(share / (1 - share), rel=0.5)


@pytest.mark.parametrize("classes", [2, 4])
def test_a_class_that_is_dear_to_miss_is_said_sooner_and_that_costs_less(classes):
    proba, codes = told(classes)
    costs = np.array([1.0, 10.0, 1.0, 3.0])[:classes]
    factors = decision.choose(seen(codes, "roc_auc", classes), proba, costs)
    new, truth = told(classes, seed=1)
    cost = [np.mean(costs[truth] * (np.argmax(new * each, axis=1) != truth)) for each in (1.0, factors)]
    assert cost[1] < 0.8 * cost[0]
    np.testing.assert_allclose(np.log(factors), np.log(costs / costs.max()), atol=0.4)


def test_costs_mend_probabilities_that_are_wrong():
    proba, codes = told(2, share=0.2)
    wrong = proba * np.array([1.0, 4.0])
    wrong /= wrong.sum(axis=1, keepdims=True)
    factors = decision.choose(seen(codes, "roc_auc"), wrong, np.array([1.0, 2.0]))
    assert factors[1] / factors[0] == pytest.approx(2 / 4, rel=0.35)


def test_rows_count_by_their_weight():
    proba, codes = told(2, share=0.3)
    weight = np.where(codes == 1, 1.0, 8.0)
    light, heavy = (decision.choose(seen(codes, "f1_macro", weight=each), proba) for each in (None, weight))
    assert heavy is not None
    assert heavy[1] / heavy[0] < (1.0 if light is None else light[1] / light[0])


@pytest.mark.parametrize(
    ("classes", "said", "known"),
    [
        (["no", "yes"], {"yes": 10}, [1, 10]),
        ([0.0, 1.0], {"1": 5, "0": 2}, [2, 5]),
        ([False, True], {"True": 3}, [1, 3]),
    ],
)
def test_costs_are_said_by_the_names_of_classes(classes, said, known):
    assert decision.costs_of(said, np.array(classes)).tolist() == known


def test_costs_of_a_class_that_is_not_there_are_one_clear_error():
    with pytest.raises(SpecError, match="Did you mean 'yes'") as caught:
        decision.costs_of({"yess": 2.0}, np.array(["no", "yes"]))
    assert "no, yes" in str(caught.value)
    with pytest.raises(SpecError, match="the target is a number"):
        decision.costs_of({"yes": 2.0}, None)


def test_what_was_chosen_is_told_as_parameters():
    factors = np.array([0.25, 1.0])
    assert Postprocessing("platt", None, factors).told(NAMES[:2]) == {"calibration": "platt", "threshold": 0.2}
    assert Postprocessing("none", None, factors).told(NAMES[:2], "a") == {"calibration": "none", "threshold": 0.8}
    three = Postprocessing("none", None, np.array([0.25, 1.0, 0.5])).told(NAMES[:3])
    assert three["factors"] == {"a": 0.25, "b": 1.0, "c": 0.5}
    assert Postprocessing().told(None) == {}
