"""A month's searches cost what they took, and no search takes more than the month has left."""

from datetime import UTC, datetime, timedelta

import pytest

from everfit import spending
from everfit.errors import InputError, MonthSpent
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec, Spending

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def bike(**limits):
    return ModelSpec.model_validate(
        {"name": "bike", "data": {"source": "x", "target": "y"}, "search": {"budget": "10m"}, "spending": limits}
    )


def search(ledger, seconds, *, ago=1, price=0.0, killed=False, **families):
    """Record a search that was allowed an hour of one core."""
    at, known = NOW - timedelta(days=ago), {"search": f"{ago}-{seconds}", "price": price}
    ledger.record("search_started", "bike", actor="ann", facts={**known, "cpu_seconds": 3600.0}, at=at)
    if not killed:
        facts = {**known, "cpu_seconds": seconds, "families": families}
        ledger.record("searched", "bike", actor="ann", facts=facts, at=at)


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    search(made, 9_000.0, ago=20)  # in October
    search(made, 1_200.0, price=0.05, lightgbm=900.0, linear=100.0)
    search(made, 600.0, ago=2, price=0.1, lightgbm=500.0)
    return made


def test_the_month_is_what_its_searches_took_at_the_price_of_the_day(ledger):
    november = spending.month(ledger, "bike", NOW)
    assert november.seconds == 1_800
    assert november.families == {"lightgbm": 1_400, "linear": 100}
    assert november.money == pytest.approx(0.05 / 3 + 0.1 / 6)
    said = november.told(Spending(cpu_hours_per_month=2, money_per_month=5), "EUR")
    assert said == "November 2026: 0.50 of 2 CPU-hours, 0.03 of 5 EUR"
    assert spending.month(ledger, "bike", NOW - timedelta(days=20)).seconds == 9_000


def test_a_search_that_was_killed_has_cost_all_that_it_was_allowed(ledger):
    search(ledger, 0.0, killed=True)
    assert spending.month(ledger, "bike", NOW).seconds == 1_800 + 3_600


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({}, 600),
        ({"cpu_hours_per_month": 20}, 600),
        ({"cpu_hours_per_month": 0.7}, 180),  # 720 CPU-seconds are left, for four cores
        ({"money_per_month": 0.0533333333333}, 180),  # 0.02 EUR are left
        ({"cpu_hours_per_month": 0.7, "money_per_month": 9}, 180),
    ],
)
def test_a_search_is_given_what_the_month_has_left(ledger, tmp_path, limits, seconds):
    settings = Settings(workspace=tmp_path, cpu_hour_price=0.1)
    assert spending.allowed(bike(**limits), settings, ledger, 4, NOW) == pytest.approx(seconds)


def test_when_too_little_is_left_the_training_ends_with_what_was_spent(ledger, tmp_path):
    here = Settings(workspace=tmp_path, currency="EUR")
    with pytest.raises(MonthSpent, match=r"bike: .* is spent. November 2026: 0.50 of 0.501 CPU-hours, 0.03 EUR."):
        spending.allowed(bike(cpu_hours_per_month=0.501), here, ledger, 4, NOW)
    assert spending.allowed(bike(cpu_hours_per_month=0.501), here, ledger, 4, NOW + timedelta(days=11)) == 450.9


def test_money_without_a_price_is_a_mistake_that_is_told(ledger, tmp_path):
    with pytest.raises(InputError, match="a CPU-hour has no price") as told:
        spending.allowed(bike(money_per_month=5), Settings(workspace=tmp_path), ledger, 4, NOW)
    assert "EVERFIT_CPU_HOUR_PRICE" in told.value.do
