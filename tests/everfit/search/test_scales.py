from dataclasses import replace

import numpy as np
import optuna
import pytest

from everfit.models.bent import Bent
from everfit.search.estimators import Job, Rows, family, scales

JOB = Job("regression", "rmse", 200, 2, rounds=200, amounts=True)
CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(200, 2)).astype("float32")
ROWS = Rows(X[:150], np.exp(2 * X[:150, 0])), Rows(X[150:], np.exp(2 * X[150:, 0]))
BOOSTED = ("lightgbm", "catboost", "xgboost", "hist_boosting")


def test_amounts_are_also_learnt_as_roots_and_logarithms():
    offers = [params[scales.SCALE] for params in scales.portfolio(family("lightgbm"), JOB)]
    assert offers[:3] == ["root", "plain", "log"]
    asked = scales.space(family("lightgbm"), optuna.create_study().ask(), JOB)
    assert asked[scales.SCALE] in scales.SCALES


@pytest.mark.parametrize("job", [replace(JOB, amounts=False), Job("binary", "roc_auc", 200, 2)])
def test_nothing_else_has_a_scale(job):
    offers = [scales.defaults(family("lightgbm"), job), *scales.portfolio(family("lightgbm"), job)]
    assert all(scales.SCALE not in params for params in offers)
    assert scales.SCALE not in scales.defaults(family("linear"), JOB)


@pytest.mark.parametrize("name", BOOSTED)
@pytest.mark.parametrize("scale", scales.SCALES)
def test_every_boosting_learns_on_every_scale(name, scale):
    member = family(name)
    params = member.defaults(JOB) | {scales.SCALE: scale}
    model = scales.build(member, params, JOB)
    learnt = scales.fit(member, model, params, ROWS[0], JOB, ROWS[1])
    assert learnt["rounds"] > 0
    assert isinstance(model, Bent) == (scale != "plain")
    assert np.corrcoef(model.predict(ROWS[1].X), ROWS[1].y)[0, 1] > 0.5
