"""The families that the search may try, in the order in which it tries their defaults."""

from everfit.search.estimators.base import Family, Job, Params, Rows
from everfit.search.estimators.dummy import Dummy
from everfit.search.estimators.extra_trees import ExtraTrees
from everfit.search.estimators.hist_boosting import HistBoosting
from everfit.search.estimators.lightgbm import LightGBM
from everfit.search.estimators.linear import Linear
from everfit.search.estimators.random_forest import RandomForest

BASELINE: Family = Dummy()
FAMILIES: tuple[Family, ...] = (LightGBM(), HistBoosting(), Linear(), ExtraTrees(), RandomForest())

__all__ = ["BASELINE", "FAMILIES", "Family", "Job", "Params", "Rows", "family"]


def family(name: str) -> Family:
    """Return a family by name; raise KeyError when there is none."""
    return {each.name: each for each in (*FAMILIES, BASELINE)}[name]
