import numpy as np
import pytest

from everfit import evaluation
from everfit.models.calibrated import Rescaled
from everfit.search.blending import Said
from everfit.search.calibration import MANY, Facts, choose, scale_of

N = 3000


def told(classes=2, *, n=N, share=0.3, seed=0):
    """Return right probabilities of rows, and a class drawn by them for each."""
    chance = np.random.default_rng(seed)
    prior = np.array([1 - share, share]) if classes == 2 else np.ones(classes) / classes
    logs = 1.5 * chance.normal(size=(n, classes)) + np.log(prior)
    proba = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    return proba, (chance.random((n, 1)) > proba.cumsum(axis=1)).sum(axis=1)


def seen(codes, *, metric="log_loss", weight=None, classes=2, folds=5):
    names = np.array(["a", "b", "c", "d"])[:classes]
    return Said({}, names[codes], weight, np.arange(len(codes)) % folds, evaluation.metric(metric), names)


def bent(proba, power, factors=1.0):
    made = proba**power * factors
    return made / made.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 4])
def test_right_probabilities_stay_as_they_are(classes):
    proba, codes = told(classes)
    assert choose(seen(codes, classes=classes), proba) == ("none", None)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("folds", [1, 5])
def test_who_is_too_sure_is_cooled(classes, folds):
    proba, codes = told(classes)
    name, made = choose(seen(codes, classes=classes, folds=folds), bent(proba, 2.0))
    assert name == "temperature"
    assert made.scale == pytest.approx(0.5, rel=0.1)
    fresh, _ = told(classes, seed=1)
    np.testing.assert_allclose(made.transform(bent(fresh, 2.0)), fresh, atol=0.03)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("power", [0.4, 1.0, 2.5])
def test_how_sure_one_of_several_should_be_is_seen_in_what_it_said(classes, power):
    proba, codes = told(classes, n=60_000)
    names = np.array(["a", "b", "c", "d"])[:classes]
    assert scale_of(names, names[codes], bent(proba, power).astype("float32")) == pytest.approx(1 / power, rel=0.05)
    both, first = np.vstack([bent(proba, power), bent(proba, 3.0)]), np.repeat([1.0, 1e-6], len(codes))
    assert scale_of(names, np.tile(names[codes], 2), both, first) == pytest.approx(1 / power, rel=0.05)


@pytest.mark.parametrize("classes", [2, 4])
def test_what_was_learnt_from_classes_made_equally_frequent_is_brought_back(classes):
    factors = np.array([1.0, 6.0, 1.0, 1.0])[:classes]
    proba, codes = told(classes, share=0.1)
    name, made = choose(seen(codes, classes=classes, metric="log_loss"), bent(proba, 1.0, factors))
    assert name == ("platt" if classes == 2 else "shifted temperature")
    fresh, _ = told(classes, share=0.1, seed=1)
    np.testing.assert_allclose(made.transform(bent(fresh, 1.0, factors)), fresh, atol=0.05)


def test_weights_say_which_rows_probabilities_have_to_be_right_for():
    proba, codes = told()
    heavy = np.where(codes == 1, 5.0, 1.0)
    name, made = choose(seen(codes, weight=heavy), proba)
    assert name == "platt"
    np.testing.assert_allclose(made.transform(proba), bent(proba, 1.0, np.array([1.0, 5.0])), atol=0.06)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_the_order_of_rows_is_never_changed_where_it_is_the_measure(metric):
    proba, codes = told(n=5 * MANY, share=0.5)
    steps = np.column_stack([1 - proba[:, 1].round(1), proba[:, 1].round(1)]) ** 3
    steps /= steps.sum(axis=1, keepdims=True)
    before = seen(codes, metric=metric)
    name, made = choose(before, steps)
    assert name not in ("none", "isotonic")
    assert before.gain(made.transform(steps)) == pytest.approx(before.gain(steps))


def test_a_crooked_curve_of_many_rows_is_read_off_in_steps():
    proba, codes = told(n=5 * MANY, share=0.5)
    crooked = 0.5 + 0.1 * np.tanh(20 * (proba[:, 1] - 0.7)) + 0.1 * np.tanh(20 * (proba[:, 1] - 0.2))
    name, made = choose(seen(codes), np.column_stack([1 - crooked, crooked]))
    assert name == "isotonic"
    assert 0 < made.meant.min() < made.meant.max() < 1


def test_the_zero_of_a_few_trees_is_no_certainty_and_a_class_may_be_absent():
    right, codes = told(4)
    trees = np.random.default_rng(1).multinomial(10, right) / 10
    before = seen(codes, classes=4)
    _, made = choose(before, trees)
    assert made.doubt > 0
    assert made.transform(trees).min() > 0
    assert before.gain(made.transform(trees)) > before.gain(trees) + 0.05
    proba, codes = told(2)
    absent = np.column_stack([bent(proba, 2.0), np.full(N, 1e-6)])
    assert np.isfinite(choose(seen(codes, classes=3), absent)[1].transform(absent)).all()


def test_the_log_loss_of_facts_counts_weights():
    facts = Facts.of(seen(np.array([0, 1]), weight=np.array([1.0, 3.0])), np.array([[0.5, 0.5], [0.75, 0.25]]))
    np.testing.assert_allclose(facts.losses(Rescaled().transform(facts.proba)), -np.log([0.5**0.5, 0.25**1.5]))
