from dataclasses import replace

import numpy as np
import optuna
import pytest
import skops.io

from everfit.models.answers import shares, values
from everfit.models.reduced import Reduced
from everfit.registry import trust
from everfit.search.estimators import Job, Rows, family, reductions, scales

CHANCE = np.random.default_rng(0)
HIDDEN = CHANCE.normal(size=(200, 3))
X = (HIDDEN @ CHANCE.normal(size=(3, 30)) + 0.1 * CHANCE.normal(size=(200, 30))).astype("float32")
Y = {"regression": HIDDEN[:, 0], "binary": np.where(HIDDEN[:, 0] > 0, "yes", "no")}
NAMES = ("linear", "neighbors", "mlp")


def job(task="regression"):
    return Job(task, {"regression": "mae"}.get(task, "log_loss"), 150, 30)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", Y)
def test_a_family_of_distances_and_weights_can_learn_from_few_components(name, task):
    member, train, valid = family(name), Rows(X[:150], Y[task][:150]), Rows(X[150:], Y[task][150:])
    params = scales.defaults(member, job(task)) | {reductions.REDUCE: 0.1}
    model = scales.build(member, params, job(task))
    assert isinstance(model, Reduced)
    scales.fit(member, model, params, train, job(task), valid)
    assert model.components_.n_components_ == 3
    said = values(model, valid.X) if task == "regression" else shares(model, valid.X)[:, 1]
    assert abs(np.corrcoef(said, HIDDEN[150:, 0])[0, 1]) > 0.8
    ask = model.predict if task == "regression" else model.predict_proba
    restored = trust.read(skops.io.dumps(model), "model")
    np.testing.assert_array_equal(getattr(restored, ask.__name__)(valid.X), ask(valid.X))


def test_it_is_searched_where_columns_are_many_and_starts_with_all_of_them():
    asked = scales.space(family("linear"), optuna.create_study().ask(), job())
    assert asked[reductions.REDUCE] in reductions.SHARES
    offers = [scales.defaults(family("mlp"), job()), *scales.portfolio(family("mlp"), job())]
    assert [offer[reductions.REDUCE] for offer in offers] == [1.0] * len(offers)
    few = replace(job(), columns=8)
    assert reductions.REDUCE not in scales.defaults(family("linear"), few)
    assert reductions.REDUCE not in scales.defaults(family("lightgbm"), job())
