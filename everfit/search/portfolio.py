"""What is tried first: strong configurations, the most promising ones first, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from everfit.search.estimators import scales
from everfit.search.estimators.base import Family, Job, Params

# Families by turn; the second time that one has its turn, it is the first of its `portfolio`, and so on. Different
# families come before variants of one, as a blend of unlike models gains more, and cheap ones between costly ones.
TURNS = (
    "lightgbm", "catboost", "linear", "lightgbm", "extra_trees", "random_forest", "network", "xgboost", "mlp",
    "catboost", "lightgbm", "lightgbm", "catboost", "neighbors", "hist_boosting", "network", "lightgbm", "catboost",
    "xgboost", "lightgbm", "catboost", "mlp", "network", "extra_trees", "neighbors",
)  # fmt: skip


def portfolio(families: Sequence[Family], job: Job) -> Iterator[tuple[Family, Params]]:
    """Yield what each family in its turn has to offer; families that have no turn come at the end."""
    known = {family.name: family for family in families}
    offers = {family.name: iter([scales.defaults(family, job), *scales.portfolio(family, job)]) for family in families}
    for name in (*(turn for turn in TURNS if turn in known), *(name for name in known if name not in TURNS)):
        params = next(offers[name], None)
        if params is not None:
            yield known[name], params
