"""The families that the search may try, each in a file of its own."""

from everfit.search.estimators.base import Family, Job, Params, Rows
from everfit.search.estimators.catboost import CatBoost
from everfit.search.estimators.dummy import Dummy
from everfit.search.estimators.extra_trees import ExtraTrees
from everfit.search.estimators.hist_boosting import HistBoosting
from everfit.search.estimators.lightgbm import LightGBM
from everfit.search.estimators.linear import Linear
from everfit.search.estimators.mlp import MLP
from everfit.search.estimators.neighbors import Neighbors
from everfit.search.estimators.network import Network
from everfit.search.estimators.random_forest import RandomForest
from everfit.search.estimators.xgboost import XGBoost
from everfit.spec import usable_families

BASELINE: Family = Dummy()
EVERY: tuple[Family, ...] = (
    LightGBM(),
    CatBoost(),
    Linear(),
    ExtraTrees(),
    XGBoost(),
    HistBoosting(),
    RandomForest(),
    Network(),
    MLP(),
    Neighbors(),
)
FAMILIES = tuple(member for member in EVERY if member.name in usable_families())

__all__ = ["BASELINE", "FAMILIES", "Family", "Job", "Params", "Rows", "family"]


def family(name: str) -> Family:
    """Return a family by name; raise KeyError when there is none."""
    return {each.name: each for each in (*FAMILIES, BASELINE)}[name]
