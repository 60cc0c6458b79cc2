"""From raw columns to the numbers that an estimator learns from.

This package travels inside every registered model, so it imports numpy, pandas, scipy and scikit-learn, and
nothing else of everfit. `plan` decides what each column is; `build` makes the transformer that follows the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from everfit.features.lineage import Derived
from everfit.features.roles import ColumnPlan, Plan, Wanted, plan

if TYPE_CHECKING:
    from everfit.features.conform import Conform

Style = Literal["tree", "native", "linear", "network"]
Part = Literal["all", "plain", "learnt"]

__all__ = ["ColumnPlan", "Derived", "Part", "Plan", "Style", "Wanted", "build", "codes", "conformer", "encoder", "plan"]


def conformer(plan: Plan) -> Conform:
    """Return the first step of every model: any frame that comes in gets the columns and types of the training."""
    from everfit.features.conform import Conform

    return Conform({column.name: column.kind for column in plan.used}, plan.formats)


def encoder(plan: Plan, style: Style, task: str, part: Part = "all") -> Any:
    """Return the transformer of conformed columns to one dense matrix; categorical codes are its first columns.

    The `plain` part learns nothing from the target and may be shared by models that learn from different rows; the
    `learnt` part, which comes after it, may not.
    """
    from everfit.features import blocks

    return blocks.encoder(plan, style, task, part)


def codes(plan: Plan, style: Style) -> int:
    """Return how many first columns of a style's matrix are codes of categories."""
    from everfit.features import blocks

    return blocks.codes(plan, style)


def build(plan: Plan, style: Style, task: str) -> Any:
    """Return conformer and encoder as one scikit-learn pipeline: raw columns in, numbers out."""
    from sklearn.pipeline import Pipeline

    return Pipeline([("conform", conformer(plan)), ("features", encoder(plan, style, task))])
