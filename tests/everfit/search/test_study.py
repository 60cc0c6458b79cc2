"""What is asked for next; nothing is fitted here."""

import pytest

from everfit.errors import SpecError
from everfit.search.estimators import FAMILIES, Job, family, scales
from everfit.search.portfolio import portfolio
from everfit.search.spaces import check
from everfit.search.study import Study
from everfit.search.tasks import Outcome
from everfit.spec import Search

JOB = Job("regression", "mae", 10_000, 10, categories=3, amounts=True)


def study(job=JOB, start=(), **said):
    spec = Search(**{"estimators": ("lightgbm", "linear")} | said)
    return Study([family(name) for name in spec.estimators], job, (0, 1), greater=False, spec=spec, start=start)


def asked(made, most=40):
    """Ask until all is asked for, telling that all went equally well; return families with their parameters."""
    seen = []
    while len(seen) < most and (task := made.next(())):
        seen.append((task.family, task.params))
        made.tell(Outcome(task.number, task.family, task.params, "done", scores=(1.0, 1.0), score=1.0, seconds=1.0))
    return seen


def test_a_grid_is_what_was_named_each_point_once_and_then_it_ends():
    space = {"lightgbm": {"num_leaves": [7, 300], "subsample": {"low": 0.4, "high": 1}}}
    made = study(method="grid", space=space)
    seen = asked(made)
    points = [(params["num_leaves"], round(params["subsample"], 9)) for name, params in seen if name == "lightgbm"]
    assert sorted(points) == [(leaves, level) for leaves in (7, 300) for level in (0.5, 0.7, 0.9)]
    assert points != sorted(points), "the first ones would be much alike"
    assert [params for name, params in seen if name == "linear"] == [scales.defaults(family("linear"), JOB)]
    assert {params["learning_rate"] for name, params in seen if name == "lightgbm"} == {0.05}
    assert made.exhausted
    assert asked(study(method="grid", space=space)) == seen


def test_a_grid_of_which_nothing_is_named_has_three_levels_of_each_range():
    seen = asked(study(method="grid", estimators=("neighbors", "random_forest")))
    assert len(seen) == 3 * 2 * 2 + 3 * 3
    assert {params["max_features"] for name, params in seen if name == "random_forest"} == {0.2, 0.5, 0.9}


def test_a_random_search_draws_from_the_first_trial_on():
    seen = asked(study(method="random", seed=4), most=12)
    assert {name for name, _ in seen} == {"lightgbm", "linear"}
    assert all(each not in seen for each in portfolio([family("lightgbm"), family("linear")], JOB))
    assert asked(study(method="random", seed=4), most=12) == seen


@pytest.mark.parametrize("trials", [None, 60])
def test_nothing_is_tried_twice_and_a_family_that_has_nothing_new_gives_way(trials):
    small = {"max_features": [0.2, 0.3], "min_samples_leaf": {"low": 1, "high": 3}}
    made = study(estimators=("extra_trees", "linear"), space={"extra_trees": small}, trials=trials, seed=2)
    seen = asked(made, most=60)
    assert len({repr(each) for each in seen}) == len(seen) == 60
    assert 3 <= sum(name == "extra_trees" for name, _ in seen) <= 6
    alone = study(estimators=("extra_trees",), space={"extra_trees": small | {"min_samples_leaf": [1]}})
    assert len(asked(alone, most=12)) == 12, "where nothing new is left, what there is comes again"


@pytest.mark.parametrize("method", ["tpe", "random"])
def test_nothing_is_tried_outside_of_a_space(method):
    space = {"lightgbm": {"num_leaves": {"low": 10, "high": 20}, "extra_trees": [True]}}
    seen = asked(study(estimators=("lightgbm",), method=method, space=space), most=15)
    assert all(10 <= params["num_leaves"] <= 20 and params["extra_trees"] for _, params in seen)
    assert len({params["num_leaves"] for _, params in seen}) > 1


def test_it_begins_with_earlier_winners_right_after_the_first_model():
    mine = scales.defaults(family("lightgbm"), JOB) | {"num_leaves": 99}
    start = [
        ("lightgbm", mine | {"rounds": 1234}),  # stopping early learnt that, from other rows
        ("lightgbm", mine),
        ("lightgbm", mine | {"num_leaves": 9999}),
        ("lightgbm", {"num_leaves": 99}),
        ("linear", {"penalty": "strong"}),
        ("catboost", scales.defaults(family("catboost"), JOB)),
    ]
    made = study(start=start)
    first = asked(made, most=3)
    assert first[0] == ("lightgbm", scales.defaults(family("lightgbm"), JOB))
    assert first[1] == ("lightgbm", mine)
    assert first[2][0] == "linear"
    assert made.first == 1 + len(list(portfolio([family("lightgbm"), family("linear")], JOB)))


@pytest.mark.parametrize(
    "job", [JOB, Job("binary", "roc_auc", 300, 10), Job("multiclass", "log_loss", 50_000, 200, 30)]
)
def test_what_the_portfolio_offers_could_win_and_be_begun_with_again(job):
    offers = [(member.name, params) for member, params in portfolio(FAMILIES, job)]
    made = study(job, offers, estimators=[member.name for member in FAMILIES])
    assert made.first == len(offers) == len(made.start)


MISTAKES = {
    "num_leafs": ([31], "no such parameter. Did you mean 'num_leaves'?"),
    "num_leaves": ([31, 31.5], "it is a whole number (it says 31, 31.5)"),
    "learning_rate": ({"low": 0, "high": 1}, "so low is above 0"),
    "subsample": (["all"], "it is a number (it says all)"),
    "extra_trees": ({"low": 0, "high": 1}, "it is some of False, True, as a list (it says 0 to 1)"),
    "scale": (["log", "cube"], "it is some of plain, root, log"),
}


def test_every_mistake_of_a_space_is_told_at_once():
    spec = Search(space={"lightgbm": {name: said for name, (said, _) in MISTAKES.items()}})
    with pytest.raises(SpecError, match="has 6 mistake") as raised:
        check([family("lightgbm")], spec.space, JOB)
    for (name, (_, told)), line in zip(MISTAKES.items(), raised.value.details, strict=True):
        assert line.startswith(f"search.space.lightgbm.{name}: ")
        assert told in line


def test_a_grid_leaves_alone_what_a_table_of_few_columns_has_not():
    space = {"linear": {"components": [0.5], "penalty": [0.1, 1.0]}}
    seen = asked(study(estimators=("linear",), method="grid", space=space))
    assert sorted(params["penalty"] for _, params in seen) == [0.1, 1.0]
