from types import SimpleNamespace

import numpy as np
import pytest

from everfit import evaluation
from everfit.search import shelf
from everfit.search.candidates import KEPT, Candidates
from everfit.search.tasks import SCOUT, Outcome


def done(number, score, family="lightgbm", **more):
    return Outcome(number, family, {}, "done", scores=(score,), score=score, folds=(0,), **more)


@pytest.fixture
def found(tmp_path):
    return Candidates(SimpleNamespace(metric=evaluation.metric("mae"), first=(0,)), tmp_path)


def add(found, *outcomes):
    for outcome in outcomes:
        shelf.put(found.folder, outcome.number, 0, "a model", np.zeros(2))
        found.add(outcome)


def on_disk(found):
    return {int(path.stem.rsplit("-", 1)[0].removeprefix("model-")) for path in found.folder.glob("model-*")}


def test_of_equal_scores_the_earlier_trial_is_the_best(found):
    add(found, done(4, 1.0), done(2, 1.0), done(3, 2.0))
    assert found.best.number == 2
    assert [each.number for each in found.ranked()] == [2, 4, 3]


def test_models_of_the_best_are_kept_and_of_each_familys_best(found):
    add(found, done(99, 9.0, "linear"), done(98, 9.5, "linear"), *(done(at, at / 10) for at in range(KEPT + 5)))
    assert set(found.kept) == on_disk(found) == {*range(KEPT), 99}
    assert len(found.outcomes) == KEPT + 7


def test_failures_are_remembered_and_never_kept(found):
    found.add(Outcome(1, "linear", {}, "failed", "why"))
    assert found.outcomes
    assert found.best is None


def test_another_fold_is_added_and_the_score_stays_that_of_the_folds_of_all(found):
    add(found, done(1, 1.0), done(2, 2.0))
    found.join(Outcome(2, "lightgbm", {}, "done", scores=(0.1,), score=0.1, folds=(3,), seconds=1.5))
    assert found.kept[2].folds == (0, 3)
    assert found.kept[2].score == 2.0
    assert found.outcomes[1] is found.kept[2]
    assert found.best.number == 1


def test_what_failed_half_way_leaves_no_files(found):
    shelf.put(found.folder, 7, 0, "a model", np.zeros(2))
    found.add(Outcome(7, "linear", {}, "timed out", "not done"))
    assert list(found.folder.iterdir()) == []


def test_the_scout_goes_when_a_trial_is_done(found):
    add(found, done(SCOUT, 0.1), done(1, 5.0))
    assert set(found.kept) == on_disk(found) == {1}
