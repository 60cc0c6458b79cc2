"""The classes that travel with a model beside its features."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from everfit.features.assemble import Assemble
from everfit.features.numbers import Numbers
from everfit.models.anew import anew
from everfit.models.answers import shares, values
from everfit.models.bent import Bent
from everfit.models.blend import Blend
from everfit.models.calibrated import Rescaled, Stepwise
from everfit.models.coded import FEW, Coded, coded
from everfit.models.doubting import Doubting
from everfit.models.named import Named
from everfit.models.scaled import Scaled
from everfit.models.tempered import Tempered
from everfit.search.estimators import FAMILIES, Job, Rows

CHANCE = np.random.default_rng(0)
X = pd.DataFrame(CHANCE.normal(size=(120, 2)), columns=["a", "b"])
NUMBERS = X["a"].to_numpy() * 3 + 1
LABELS = np.where(X["a"] > 0.5, "up", np.where(X["a"] < -0.5, "down", "flat"))


def encoder(*columns):
    return Assemble([("numbers", Numbers(), [*columns])]).fit(X)


def member(model, y, *columns, rows=slice(None)):
    encode = encoder(*columns)
    return encode, model.fit(encode.transform(X)[rows], y[rows])


@pytest.fixture
def blend():
    (one, first), (two, second) = member(LinearRegression(), NUMBERS, "a"), member(LinearRegression(), NUMBERS, "b")
    return Blend({"one": one, "two": two}, [(["one"], first, 0.75), (["two"], second, 0.25)])


def test_a_member_as_sure_as_it_should_be_answers_the_same_by_either_way_and_learns_again_as_it_is():
    _, model = member(Tempered(Doubting(ExtraTreesClassifier(20, random_state=0)), 2.0), LABELS, "a", "b")
    said = model.predict_proba(X.to_numpy())
    np.testing.assert_allclose(shares(model, X.to_numpy()), said)
    plain = model.model.predict_proba(X.to_numpy())
    np.testing.assert_allclose(said, plain**2 / (plain**2).sum(axis=1, keepdims=True))
    assert (plain > 0).all(), "no class is impossible"
    assert (model.model.model.predict_proba(X.to_numpy()) == 0).any()
    again = anew(model, X.to_numpy()[:90], LABELS[:90])
    assert (again.scale, set(again.predict(X.to_numpy()))) == (2.0, {"down", "flat", "up"})


def test_a_blend_is_the_weighted_mean_of_its_members(blend):
    parts = [model.predict(blend.encoders[names[0]].transform(X)) for names, model, _ in blend.members]
    np.testing.assert_allclose(blend.predict(X), 0.75 * parts[0] + 0.25 * parts[1])
    check_is_fitted(blend)


def test_a_member_reads_its_encoders_side_by_side():
    both, model = member(LinearRegression(), NUMBERS, "a", "b")
    split = Blend({"one": encoder("a"), "two": encoder("b")}, [(["one", "two"], model, 1.0)])
    np.testing.assert_allclose(split.predict(X), model.predict(both.transform(X)))


def test_a_class_that_a_member_never_saw_gets_nothing_from_it():
    encode, all_three = member(LogisticRegression(), LABELS, "a")
    _, two = member(LogisticRegression(), LABELS, "a", rows=LABELS != "up")
    made = Blend({"e": encode}, [(["e"], all_three, 0.5), (["e"], two, 0.5)], np.array(["down", "flat", "up"]))
    proba = made.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(proba[:, 2], all_three.predict_proba(encode.transform(X))[:, 2] / 2)
    assert set(made.predict(X)) <= set(made.classes_)


def test_other_classes_are_not_taken_for_those_of_the_blend():
    encode, two = member(LogisticRegression(), LABELS, "a", rows=LABELS != "up")
    made = Blend({"e": encode}, [(["e"], two, 1.0)], np.array(["down", "flat", "up"]))
    np.testing.assert_allclose(made.predict_proba(X)[:, :2], two.predict_proba(encode.transform(X)))
    assert made.predict_proba(X)[:, 2].max() == 0


def test_a_blend_can_be_fitted_again_on_other_rows(blend):
    again = clone(blend).fit(X, 2 * NUMBERS)
    np.testing.assert_allclose(again.predict(X), 2 * blend.predict(X), rtol=1e-5)


def test_who_has_doubts_gives_every_class_something():
    encode, model = member(DecisionTreeClassifier(random_state=0), LABELS, "a")
    made = Blend({"e": encode}, [(["e"], model, 1.0)], np.array(["down", "flat", "up"]), Rescaled(doubt=0.03))
    assert made.predict_proba(X).min() == pytest.approx(0.01)
    np.testing.assert_allclose(made.predict_proba(X).sum(axis=1), 1)
    np.testing.assert_array_equal(made.predict(X), model.predict(encode.transform(X)))


def test_labels_are_said_by_the_factors_and_probabilities_stay():
    encode, model = member(LogisticRegression(), LABELS, "a")
    made = Blend({"e": encode}, [(["e"], model, 1.0)], model.classes_, factors=np.array([1e-9, 1.0, 1e-9]))
    assert set(made.predict(X)) == {"flat"}
    np.testing.assert_allclose(made.predict_proba(X), model.predict_proba(encode.transform(X)))


def test_a_blend_is_fitted_again_with_weights_of_rows():
    encode, model = member(LogisticRegression(), LABELS, "b")
    made = Blend({"e": encode}, [(["e"], model, 1.0)], model.classes_)
    made.fit(X, LABELS, sample_weight=np.where(LABELS == "up", 1.0, 1e-6))
    assert set(made.predict(X)) == {"up"}


def test_two_classes_keep_the_order_of_rows_and_one_row_is_bent_as_many_are():
    p = np.sort(CHANCE.random(50))
    table = np.column_stack([1 - p, p])
    rescaled, steps = Rescaled(0.01, np.array([2.0, 0.5]), np.array([0.3, -0.3])), Stepwise(p[::10], p[::10] ** 2)
    for each in (rescaled, steps):
        bent = each.transform(table)
        assert np.all(np.diff(bent[:, 1]) >= 0)
        np.testing.assert_allclose(bent.sum(axis=1), 1)
        np.testing.assert_array_equal(each.transform(table[[7]])[0], bent[7])
    assert np.all(np.diff(rescaled.transform(table)[:, 1]) > 0)


def test_a_blend_of_regressors_has_no_classes(blend):
    assert not hasattr(blend, "classes_")


@pytest.mark.parametrize(("scale", "curve"), [("root", np.square), ("log", np.expm1), ("plain", np.abs)])
def test_a_bent_regressor_learns_on_one_scale_and_answers_on_another(scale, curve):
    straight = np.abs(X["a"].to_numpy()) + 1
    made = Bent(LinearRegression(), scale).fit(np.abs(X[["a"]]), curve(straight))
    np.testing.assert_allclose(made.predict(np.abs(X[["a"]])), curve(straight), rtol=1e-6)
    np.testing.assert_allclose(made.back(made.there(curve(straight))), curve(straight))


def test_what_is_learnt_on_another_scale_is_never_negative():
    for scale in ("root", "log"):
        assert Bent(LinearRegression(), scale).back([-3.0, 1.0]).min() == 0


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [3, 7], [0.5, 1.5]])
def test_class_numbers_come_back_as_the_labels_behind_them(labels):
    y = np.array(labels)[(X["a"] > 0).astype(int)]
    made = Named(DecisionTreeClassifier(random_state=0)).fit(X, y)
    assert made.model.classes_.tolist() == [0, 1]
    assert made.classes_.tolist() == labels
    np.testing.assert_array_equal(made.predict(X), y)


@pytest.mark.parametrize("rows", [1, FEW, FEW + 1])
def test_codes_are_whole_numbers_and_a_gap_is_minus_one(rows):
    matrix = np.tile(np.array([[2.0, np.nan, 0.5]], dtype="float32"), (rows, 1))
    made = pd.DataFrame(coded(matrix, 2))
    assert made.iloc[0, :2].tolist() == [2, -1]
    assert made.iloc[0, 2] == 0.5
    assert all(isinstance(made[at].tolist()[0], int) for at in (0, 1))


def test_without_codes_a_matrix_stays_one():
    assert coded(np.ones((3, 2)), 0).dtype == "float32"
    model = Coded(LinearRegression(), 0).fit(X, NUMBERS)
    np.testing.assert_allclose(model.predict(X), NUMBERS, rtol=1e-4)


def test_few_rows_and_many_are_read_alike():
    matrix = CHANCE.integers(0, 3, (2 * FEW, 2)).astype("float32")
    model = Coded(FunctionTransformer(), 1)
    many, few = coded(matrix, model.count).to_numpy(dtype=float), coded(matrix[:3], model.count).astype(float)
    np.testing.assert_array_equal(many[:3], few)


@pytest.mark.parametrize("member", FAMILIES, ids=lambda member: member.name)
@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_the_shortest_way_says_the_same(member, task):
    y = {"regression": NUMBERS, "binary": np.where(X["a"] > 0, "yes", "no"), "multiclass": LABELS}[task]
    matrix = np.column_stack([CHANCE.integers(0, 3, len(X)), X["a"], X["b"]]).astype("float32")
    metric = "mae" if task == "regression" else "log_loss"
    job = Job(
        task, metric, len(X), 3, 2 + (task == "multiclass"), categories=member.style in ("native", "network"), rounds=60
    )
    model = member.build(member.defaults(job), job)
    member.fit(model, member.defaults(job), Rows(matrix[:80], y[:80]), job, Rows(matrix[80:], y[80:]))
    said = values(model, matrix) if task == "regression" else shares(model, matrix)
    usual = model.predict(matrix) if task == "regression" else model.predict_proba(matrix)
    np.testing.assert_allclose(said, usual, rtol=1e-6, atol=1e-9)
    alone = np.concatenate([(values if task == "regression" else shares)(model, matrix[[at]]) for at in range(5)])
    np.testing.assert_allclose(alone, said[:5], rtol=1e-5, atol=1e-7)  # single precision adds up otherwise in batches


def test_a_regressor_on_scaled_numbers_answers_on_the_scale_that_was_given():
    made = Scaled(LinearRegression())
    assert np.std(made.learn(1e6 * NUMBERS)) == pytest.approx(1)
    made.fit(X, 1e6 * NUMBERS)
    np.testing.assert_allclose(made.predict(X), 1e6 * NUMBERS)


def test_the_scale_is_that_of_the_rows_that_count():
    weight = (NUMBERS > 0).astype(float)
    made = Scaled(LinearRegression())
    made.learn(NUMBERS, weight)
    assert made.center_ == pytest.approx(NUMBERS[NUMBERS > 0].mean())


def test_a_constant_target_is_no_division_by_zero():
    np.testing.assert_array_equal(Scaled(LinearRegression()).fit(X, np.full(len(X), 7.0)).predict(X), 7.0)


def test_a_blend_that_was_saved_before_it_had_a_calibrator_answers_as_it_did():
    made = Blend({}, [], np.array(["no", "yes"]))
    made.__setstate__({"encoders": {}, "members": [], "classes": np.array(["no", "yes"]), "doubt": 0.01})
    np.testing.assert_allclose(made.calibrator.transform(np.array([[1.0, 0.0]])), [[0.995, 0.005]])
    assert made.factors is None
