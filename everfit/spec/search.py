"""How hard to look for a good pipeline, and where."""

from datetime import timedelta
from importlib.util import find_spec
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, FiniteFloat, Tag, ValidationInfo, field_validator

from everfit.spec.part import Part
from everfit.spec.times import Duration

Metric = Literal[
    "roc_auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "log_loss",
    "brier",
    "mae",
    "rmse",
    "r2",
    "mape",
]
LABELLED = ("accuracy", "balanced_accuracy", "f1_macro")  # metrics that read labels, not probabilities
Family = Literal[
    "lightgbm",
    "catboost",
    "linear",
    "extra_trees",
    "xgboost",
    "hist_boosting",
    "random_forest",
    "network",
    "mlp",
    "neighbors",
]
Method = Literal["tpe", "random", "grid"]
OPTIONAL: dict[str, str] = {"network": "torch"}  # families that need an extra of everfit, and its name


def usable_families() -> tuple[Family, ...]:
    """Return the families whose packages are installed here; none is imported to find out."""
    return tuple(name for name in get_args(Family) if name not in OPTIONAL or find_spec(OPTIONAL[name]) is not None)


def _named(costs: Any) -> Any:
    """Read classes that are numbers or true and false by their names."""
    return {str(key): value for key, value in costs.items()} if isinstance(costs, dict) else costs


class Range(Part):
    """Every value from `low` to `high`."""

    low: int | FiniteFloat
    high: int | FiniteFloat

    @field_validator("high")
    @classmethod
    def _rise(cls, high: float, info: ValidationInfo) -> float:
        if "low" in info.data and high <= info.data["low"]:
            raise ValueError(f"it must be above low, which is {info.data['low']:g}")
        return high


def _kind(said: Any) -> str | None:
    if isinstance(said, dict | Range):
        return "[range]"
    return "[levels]" if isinstance(said, list | tuple) else None


Levels = Annotated[tuple[bool | int | FiniteFloat | str, ...], Field(min_length=1)]
Within = Annotated[
    Annotated[Levels, Tag("[levels]")] | Annotated[Range, Tag("[range]")],
    Discriminator(
        _kind, custom_error_type="levels", custom_error_message="it must be a list of values, or {low: ..., high: ...}"
    ),
]


class Search(Part):
    """How hard to look for a good pipeline."""

    budget: Duration = Field(timedelta(minutes=5), description="Wall-clock time for the search; it is kept.")
    trials: int | None = Field(None, ge=1, description="Stop after so many trials; makes a search repeatable.")
    metric: Metric | None = Field(None, description="Default: roc_auc, log_loss (multiclass) or mae.")
    costs: Annotated[dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]], BeforeValidator(_named)] = Field(
        {},
        description="What it costs to miss a row of each class, such as {no: 1, yes: 10}; labels follow it.",
    )
    estimators: tuple[Family, ...] = Field(
        default_factory=usable_families,
        min_length=1,
        description="Families that may be tried. Default: all; network only where torch is installed.",
    )
    method: Method = Field(
        "tpe",
        description="What decides about trials: tpe learns from them, after known strong ones; random and grid do not.",
    )
    space: dict[Family, dict[str, Within]] = Field(
        {}, description="Parameters by family, as a list or as {low, high}; a grid then varies nothing else."
    )
    derive: bool = Field(True, description="Make columns of others (ratios, intervals, crosses), if they pay.")
    max_latency_ms: float | None = Field(
        None, gt=0, description="One row may take so long, features included. Default: 10, unless trials is set."
    )
    max_size_mb: float | None = Field(None, gt=0, description="So large may the model's file be.")
    max_memory_gb: float | None = Field(
        None,
        gt=0,
        description="What the search's processes may hold together. Default: 80 % of what is free.",
    )
    seed: int = Field(0, ge=0, description="Same seed and same number of trials: same result.")

    @field_validator("costs")
    @classmethod
    def _decide_alone(cls, costs: dict[str, float], known: ValidationInfo) -> dict[str, float]:
        if costs and (metric := known.data.get("metric")) in LABELLED:
            raise ValueError(
                f"costs decide which labels are said, and the metric {metric} would have others; "
                "leave out one of them, or set metric to one that reads probabilities, such as log_loss"
            )
        return costs

    @field_validator("estimators")
    @classmethod
    def _be_installed(cls, names: tuple[Family, ...]) -> tuple[Family, ...]:
        for name in names:
            if name not in usable_families():
                raise ValueError(f"'{name}' needs a package that is missing: pip install \"everfit[{OPTIONAL[name]}]\"")
        return names

    @field_validator("space")
    @classmethod
    def _be_searched(cls, space: dict[Family, Any], info: ValidationInfo) -> dict[Family, Any]:
        for name in space:
            if name not in info.data.get("estimators", (name,)):
                raise ValueError(f"'{name}' is not among search.estimators")
        return space
