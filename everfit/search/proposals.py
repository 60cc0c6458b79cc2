"""Which derived columns are worth a look: those made of the columns that matter most."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from everfit.features import Derived, Plan

NUMBERS, DATES, LEVELS, MEANS = 7, 4, 5, 10  # columns of each kind that are combined


def proposals(plan: Plan, gains: Mapping[str, float]) -> list[Derived]:
    """Return candidates; `gains` say how much each raw column mattered to a model.

    Numbers are combined by ratio, difference and product, dates to the days between them, and categories to joint
    levels; what has few enough levels to be coded is also offered as a mean of the target.
    """
    numbers = _first(plan.of("numeric"), gains, NUMBERS)
    dates = _first([*plan.of("date", order=True), *plan.of("date")], gains, DATES)
    levels = _first(plan.of("categorical", "high_cardinality", "boolean"), gains, LEVELS)
    return [
        *(Derived("difference", pair) for pair in combinations(dates, 2)),
        *(Derived(how, pair) for pair in combinations(numbers, 2) for how in ("ratio", "difference", "product")),
        *(Derived("cross", pair) for pair in combinations(levels, 2)),
        *(Derived("mean", (name,)) for name in _first(plan.of("categorical"), gains, MEANS)),
    ]


def _first(names: list[str], gains: Mapping[str, float], most: int) -> list[str]:
    return sorted(names, key=lambda name: -gains.get(name, 0.0))[:most]
