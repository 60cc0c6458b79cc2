from everfit.search.estimators import FAMILIES, Job, family
from everfit.search.portfolio import TURNS, portfolio
from everfit.spec import usable_families

JOB = Job("binary", "roc_auc", 10_000, 10, categories=3)


def test_every_family_has_its_turn_and_nothing_is_offered_twice():
    offers = [(member.name, sorted(params.items())) for member, params in portfolio(FAMILIES, JOB)]
    assert {name for name, _ in offers} == {member.name for member in FAMILIES} == set(TURNS) & set(usable_families())
    assert all(offers.count(offer) == 1 for offer in offers)


def test_unlike_families_come_before_variants():
    first = [member.name for member, _ in portfolio(FAMILIES, JOB)][:3]
    assert len(set(first)) == 3


def test_only_the_families_that_are_wanted_take_part():
    assert {member.name for member, _ in portfolio([family("linear")], JOB)} == {"linear"}
