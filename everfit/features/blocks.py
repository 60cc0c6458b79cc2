"""Which transformer reads which columns of a plan."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from everfit.features.averages import Averages
from everfit.features.calendar import Calendar
from everfit.features.levels import Levels, OneHot
from everfit.features.numbers import Numbers
from everfit.features.roles import Plan
from everfit.features.squash import Squash
from everfit.features.text import Text


def encoder(plan: Plan, style: str, task: str) -> ColumnTransformer:
    """Return the unfitted transformer of a style: `tree` keeps scales and gaps, `linear` scales and fills.

    The codes of categorical columns come first, so that an estimator that wants to know which columns are
    categories needs only their number.
    """
    linear = style == "linear"
    blocks: list[tuple[str, Any, list[str]]] = [
        ("levels", OneHot(max_levels=60) if linear else Levels(), plan.of("categorical")),
        ("numbers", Squash() if linear else Numbers(), plan.of("numeric", "boolean")),
        ("averages", _scaled(Averages(task), linear), plan.of("high_cardinality")),
        ("calendar", Calendar(cyclic=linear, trend=False), plan.of("date", order=True)),
        ("dates", Calendar(cyclic=linear, trend=True), plan.of("date")),
        ("text", _scaled(Text(), linear), plan.of("text")),
    ]
    used = [(name, step, columns) for name, step, columns in blocks if columns]
    return ColumnTransformer(used, sparse_threshold=0, verbose_feature_names_out=False)


def _scaled(step: Any, linear: bool) -> Any:
    return Pipeline([("encode", step), ("scale", Squash())]) if linear else step
