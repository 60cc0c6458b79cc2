"""What every family of estimators must do."""

import json
import warnings
from dataclasses import replace

import numpy as np
import optuna
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from everfit.models.network import Network
from everfit.search.estimators import BASELINE, FAMILIES, Job, Rows, family
from everfit.spec import usable_families

CHANCE = np.random.default_rng(0)
N = 90
X = CHANCE.normal(size=(N, 4))
X[:, 0] = CHANCE.integers(0, 3, N)
SIGNAL = X[:, 1] + (X[:, 0] == 2)
ANSWERS = {
    "regression": SIGNAL,
    "binary": np.where(SIGNAL > 0, "yes", "no"),
    "multiclass": np.array(["low", "mid", "top"])[np.digitize(SIGNAL, [-0.3, 0.8])],
}
METRICS = {"regression": "mae", "binary": "roc_auc", "multiclass": "log_loss"}


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):  # as in a worker; two threads on a busy machine wait for each other
        yield


@pytest.fixture(params=ANSWERS)
def job(request):
    return Job(
        request.param, METRICS[request.param], N, 4, {"multiclass": 3}.get(request.param, 2), categories=1, rounds=100
    )


@pytest.fixture
def data(job):
    y = ANSWERS[job.task]
    return Rows(X[:60], y[:60], np.ones(60)), Rows(X[60:], y[60:], np.ones(30))


def sampled(member, job, seed=0):
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    return member.space(trial, job)


@pytest.mark.parametrize("member", [*FAMILIES, BASELINE], ids=lambda member: member.name)
class TestEveryFamily:
    def test_learns_and_says_the_original_labels(self, member, job, data):
        train, valid = data
        model = member.build(member.defaults(job), job)
        member.fit(model, member.defaults(job), train, job, valid)
        said = model.predict(valid.X)
        if job.classifies:
            assert list(model.classes_) == sorted(set(train.y))
            assert set(said) <= set(train.y)
            shares = model.predict_proba(valid.X)
            np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
            assert (shares > 0).all(), "no class is impossible"
        if member is not BASELINE:
            right = np.corrcoef(said, valid.y)[0, 1] if not job.classifies else np.mean(said == valid.y)
            assert right > 0.5

    def test_of_equal_rows_with_unlike_answers_the_heavy_ones_count(self, member, job, data):
        if job.task == "multiclass":
            pytest.skip("two classes prove it")
        train, _ = data
        ends = [min(train.y), max(train.y)]
        twice, y = np.vstack([train.X[:30], train.X[:30]]), np.repeat(ends, 30)
        said = []
        for heavy in ends:
            model = member.build(member.quick(job), job)
            member.fit(model, member.quick(job), Rows(twice, y, np.where(y == heavy, 19.0, 1.0)), job)
            said.append(np.mean(model.predict_proba(twice)[:, 1] if job.classifies else model.predict(twice)))
        apart = 1.0 if job.classifies else ends[1] - ends[0]
        assert said[1] - said[0] > (0.15 if "epochs" in member.quick(job) else 0.7) * apart

    def test_gives_the_same_for_the_same_seed(self, member, job, data):
        train, valid = data
        first, second = (member.build(member.defaults(job), job) for _ in range(2))
        for model in (first, second):
            member.fit(model, member.defaults(job), train, job, valid)
        np.testing.assert_array_equal(first.predict(valid.X), second.predict(valid.X))

    def test_what_it_learnt_by_stopping_early_fits_without_validation_rows(self, member, job, data):
        train, valid = data
        params = member.defaults(job)
        learnt = member.fit(member.build(params, job), params, train, job, valid)
        params = params | (member.grown(learnt, 1.5) if learnt else {})
        model = member.build(params, job)
        assert member.fit(model, params, train, job) == {}
        assert len(model.predict(valid.X)) == 30

    def test_its_defaults_and_its_space_have_the_same_parameters(self, member, job, data):
        params = sampled(member, job)
        assert set(params) == set(member.defaults(job))
        assert json.loads(json.dumps(params)) == params

    def test_its_defaults_lie_within_its_space(self, member, job, data):
        study = optuna.create_study()
        study.enqueue_trial(member.defaults(job))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert member.space(study.ask(), job) == member.defaults(job)

    @pytest.mark.parametrize("seed", [1, 2])
    def test_fits_whatever_its_space_gives(self, member, job, data, seed):
        train, valid = data
        params = sampled(member, job, seed)
        model = member.build(params, job)
        member.fit(model, params, train, job, valid)
        assert len(model.predict(valid.X)) == 30

    def test_a_quick_fit_is_one(self, member, job, data):
        train, valid = data
        model = member.build(member.quick(job), job)
        member.fit(model, member.quick(job), train, job)
        assert len(model.predict(valid.X)) == 30

    def test_ten_rows_and_one_column_are_enough(self, member, job, data):
        train, _ = data
        few = Rows(train.X[:10, 1:2], train.y[:10])
        one = Job(job.task, job.metric, 10, 1, job.classes, rounds=100)
        model = member.build(member.defaults(one), one)
        member.fit(model, member.defaults(one), few, one)
        assert len(model.predict(few.X)) == 10

    def test_uses_one_thread_and_the_vendors_own_class(self, member, job, data):
        model = member.build(member.defaults(job), job)
        for each in (job, replace(job, rows=10_000)):
            clone(member.build(member.defaults(each), each))
        while hasattr(model, "model"):
            model = model.model
        vendor = type(model).__module__.split(".")[0]
        assert vendor in ("sklearn", "lightgbm", "catboost", "xgboost") or type(model) is Network
        threads = {name: model.get_params().get(name, 1) for name in ("n_jobs", "thread_count")}
        assert set(threads.values()) <= {1, None}

    def test_what_it_offers_first_lies_within_its_space(self, member, job, data):
        for params in member.portfolio(job):
            study = optuna.create_study()
            study.enqueue_trial(params)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert member.space(study.ask(), job) == params

    def test_a_fit_without_time_ends_at_once_with_a_model(self, member, job, data):
        if member.name not in ("lightgbm", "catboost", "xgboost", "mlp", "network"):
            pytest.skip("nobody can look in between")
        train, valid = data
        hurried = replace(job, seconds=0.0, rounds=100_000)
        model = member.build(member.defaults(hurried), hurried)
        learnt = member.fit(model, member.defaults(hurried), train, hurried, valid)
        assert max(learnt.values()) < 100
        assert len(model.predict(valid.X)) == 30

    def test_knows_labels_of_any_type(self, member, job, data):
        if not job.classifies:
            pytest.skip("numbers have no labels")
        train, valid = data
        for labels in (np.array([True, False]), np.array([3, 7]), np.array([1.0, 2.0])):
            y = labels[(train.X[:, 1] > 0).astype(int)]
            two = replace(job, task="binary", classes=2)
            model = member.build(member.defaults(two), two)
            member.fit(model, member.defaults(two), Rows(train.X, y), two)
            assert list(model.classes_) == sorted(labels)
            assert set(model.predict(valid.X)) <= set(labels)


def test_the_model_file_may_name_exactly_these_families():
    assert {member.name for member in FAMILIES} == set(usable_families())
    assert all(family(member.name) is member for member in FAMILIES)
