import numpy as np
import pytest
from sklearn import metrics as reference

from everfit import evaluation
from everfit.errors import SpecError
from everfit.evaluation import METRICS, Predicted, metric, resample

CHANCE = np.random.default_rng(0)
N = 600
Y = CHANCE.integers(0, 2, N)
SCORE = np.clip(Y * 0.2 + CHANCE.random(N) * 0.8, 0.001, 0.999).round(2)  # with ties
WEIGHT = CHANCE.integers(1, 4, N).astype("float64")
Y3 = CHANCE.choice(["ant", "bee", "cow"], N)
P3 = CHANCE.dirichlet(np.ones(3), N) + (Y3[:, None] == ["ant", "bee", "cow"]) * 0.3
P3 /= P3.sum(axis=1, keepdims=True)
TRUTH = CHANCE.normal(size=N) + 100
GUESS = TRUTH + CHANCE.normal(size=N)


def binary(score=SCORE):
    return Predicted((score > 0.5).astype(int), np.column_stack([1 - score, score]), np.array([0, 1]))


def three():
    classes = np.array(["ant", "bee", "cow"])
    return Predicted(classes[P3.argmax(axis=1)], P3, classes)


MAPE = reference.mean_absolute_percentage_error
CASES = [
    ("roc_auc", Y, binary(), lambda w: reference.roc_auc_score(Y, SCORE, sample_weight=w)),
    ("average_precision", Y, binary(), lambda w: reference.average_precision_score(Y, SCORE, sample_weight=w)),
    ("accuracy", Y, binary(), lambda w: reference.accuracy_score(Y, SCORE > 0.5, sample_weight=w)),
    ("balanced_accuracy", Y, binary(), lambda w: reference.balanced_accuracy_score(Y, SCORE > 0.5, sample_weight=w)),
    ("f1_macro", Y, binary(), lambda w: reference.f1_score(Y, SCORE > 0.5, average="macro", sample_weight=w)),
    ("log_loss", Y, binary(), lambda w: reference.log_loss(Y, SCORE, sample_weight=w)),
    ("brier", Y, binary(), lambda w: reference.brier_score_loss(Y, SCORE, sample_weight=w)),
    ("roc_auc", Y3, three(), lambda w: reference.roc_auc_score(Y3, P3, multi_class="ovr", sample_weight=w)),
    ("log_loss", Y3, three(), lambda w: reference.log_loss(Y3, P3, sample_weight=w)),
    ("mae", TRUTH, Predicted(GUESS), lambda w: reference.mean_absolute_error(TRUTH, GUESS, sample_weight=w)),
    ("rmse", TRUTH, Predicted(GUESS), lambda w: reference.root_mean_squared_error(TRUTH, GUESS, sample_weight=w)),
    ("r2", TRUTH, Predicted(GUESS), lambda w: reference.r2_score(TRUTH, GUESS, sample_weight=w)),
    ("mape", TRUTH, Predicted(GUESS), lambda w: MAPE(TRUTH, GUESS, sample_weight=w)),
]  # fmt: skip


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "y", "predicted", "expected"), CASES)
def test_every_metric_agrees_with_scikit_learn(name, y, predicted, expected, weight):
    assert metric(name).score(y, predicted, weight) == pytest.approx(expected(weight), abs=1e-9)


def test_every_metric_is_checked_above():
    assert {each.name for each in METRICS} == {case[0] for case in CASES}


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_resampling_a_ranking_spreads_as_drawing_the_rows_again_does(name):
    units = resample.units_of(N, ordered=False, seed=0)
    fast = resample.resampled(metric(name), Y, binary(), np.ones(N), units, resample.draws_of(N, seed=0))
    rows = [CHANCE.integers(0, N, N) for _ in range(300)]
    slow = [metric(name).score(Y[r], binary(SCORE[r])) for r in rows]
    assert fast.std() == pytest.approx(np.std(slow), rel=0.15)
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.01)


def test_a_class_that_the_model_never_saw_costs_and_does_not_crash():
    y = np.append(Y3[:-1], "dog")
    assert metric("log_loss").score(y, three()) > metric("log_loss").score(Y3, three())
    assert 0 < metric("f1_macro").score(y, three()) < 1


def test_metrics_of_labels_read_the_labels_that_were_said():
    said = Predicted(np.ones(N, dtype=int), binary().proba, np.array([0, 1]))
    assert metric("accuracy").score(Y, said) == pytest.approx(Y.mean())
    assert metric("balanced_accuracy").score(Y, said) == 0.5
    assert metric("f1_macro").score(Y, said) == pytest.approx(reference.f1_score(Y, said.values, average="macro"))


def test_a_row_costs_what_it_costs_to_miss_its_class():
    y, said = np.array(["no", "no", "yes", "yes"]), np.array(["no", "yes", "no", "yes"])
    assert evaluation.cost(y, Predicted(said), {"yes": 10.0}) == (1 + 10) / 4
    assert evaluation.cost(y, Predicted(said), {"yes": 10.0}, [1, 0, 1, 0]) == 5
    assert evaluation.cost(np.array([0.0, 1.0]), Predicted(np.array([1.0, 0.0])), {"1": 3.0}) == 2


def test_rows_of_one_class_have_no_rank_metric():
    assert np.isnan(metric("roc_auc").score(np.ones(N, dtype=int), binary()))


def test_the_positive_class_can_be_the_first():
    turned = Predicted(binary().values, binary().proba, np.array([0, 1]), positive=0)
    expected = reference.average_precision_score(1 - Y, 1 - SCORE)
    assert metric("average_precision").score(Y, turned) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "task", "says"),
    [
        ("mae", "binary", "does not fit a binary task"),
        ("roc_auc", "regression", "Set search.metric to one of mae, rmse, r2, mape"),
        ("average_precision", "multiclass", "does not fit"),
        ("roc_acu", "binary", "Did you mean 'roc_auc'"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_in_words(name, task, says):
    with pytest.raises(SpecError, match=says):
        metric(name, task)


def test_the_default_metric_fits_its_task():
    for task in ("binary", "multiclass", "regression"):
        assert metric(evaluation.default_metric(task), task)


def test_row_losses_are_log_losses_or_absolute_errors():
    assert evaluation.row_losses("binary", Y, binary()).mean() == pytest.approx(reference.log_loss(Y, SCORE))
    np.testing.assert_allclose(evaluation.row_losses("regression", TRUTH, Predicted(GUESS)), np.abs(TRUTH - GUESS))
