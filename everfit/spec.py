"""The vocabulary of a model file, `deployments/models/<name>.yaml`.

Every field but the source and the target has a default, and the defaults are the advice that we would give
aloud. Unknown keys are errors. All mistakes of a file are reported at once, each with its line.
"""

import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    PlainSerializer,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from everfit import documents
from everfit.errors import InputError, SpecError, did_you_mean
from everfit.references import INSTEAD, secret_in

CRON = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
NAME = r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$"
SCHEMA_ID = "everfit-model.schema.json"

TaskType = Literal["binary", "multiclass", "regression"]
Role = Literal["numeric", "categorical", "text", "date", "drop"]
Outcome = Literal["allow", "warn", "block"]
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


def parse_duration(value: Any) -> Any:
    """Turn `90s`, `10m`, `1h`, `14d` or `2w` into a timedelta; leave anything else to pydantic."""
    if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", value)):
        return timedelta(seconds=float(found[1]) * UNITS[found[2]])
    if (isinstance(value, str) and not value.startswith("P")) or isinstance(value, int | float):
        raise ValueError(f"'{value}' is not a duration; write 90s, 10m, 1h, 14d or 2w")
    return value


def write_duration(value: timedelta) -> str:
    """Write a timedelta the short way, in the largest unit that divides it."""
    seconds = int(value.total_seconds())
    unit = next(u for u in reversed(UNITS) if seconds % UNITS[u] == 0)
    return f"{seconds // UNITS[unit]}{unit}"


def _lasting(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("a duration must be one second at least")
    return value


def _cron(line: str | None) -> str | None:
    """Refuse what can be no cron line; whoever runs the schedule reads it in full."""
    if line is None:
        return None
    parts = line.split()
    numbers = [[int(number) for number in re.findall(r"(?<![/#])\b\d+", part)] for part in parts]
    fits = [low <= n <= high for (low, high), found in zip(CRON.values(), numbers, strict=False) for n in found]
    if len(parts) != len(CRON) or not all(fits):
        said = ", ".join(f"{name} ({low} to {high})" for name, (low, high) in CRON.items())
        raise ValueError(f"it must be five fields: {said}; '0 3 * * 1' is each Monday at three")
    return line


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    AfterValidator(_lasting),
    PlainSerializer(write_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?[smhdw]$", "examples": ["60s", "1h", "14d"]}),
]


def _named(costs: Any) -> Any:
    """Read classes that are numbers or true and false by their names."""
    return {str(key): value for key, value in costs.items()} if isinstance(costs, dict) else costs


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=False, hide_input_in_errors=True)


class SqlSource(_Part):
    """A query against a database. The URL is a reference, never the secret itself."""

    url: str = Field(description="${ENV_VARIABLE}, prefect://secret/<block>, or a URL without a password.")
    query: str = Field(description="The SELECT statement whose rows are the data.")


class SchemaPolicy(_Part):
    """What happens when a batch has other columns than the champion learnt from."""

    added: Outcome = Field("warn", description="A column that the champion does not know.")
    removed: Outcome = Field("block", description="A column that the champion needs is gone.")
    retyped: Outcome = Field("block", description="A number became text, a date became a number, ...")
    reordered: Outcome = Field("allow", description="The same columns in another order.")


class Data(_Part):
    """Where the rows come from and what the columns mean."""

    source: str | SqlSource = Field(description="File, folder, glob, URI, or {url, query}.")
    target: str = Field(description="The column to predict.")
    task: TaskType | None = Field(None, description="Inferred from the target when not said.")
    positive: str | int | float | bool | None = Field(None, description="The class that scores are about; binary only.")
    time: str | None = Field(None, description="When each row happened; splits then never look ahead.")
    ids: tuple[str, ...] = Field((), description="Columns that name a row; never features.")
    group: str | None = Field(None, description="Its rows stay on one side of a split; ten such groups must judge.")
    weight: str | None = Field(None, description="How much each row counts in fits and metrics.")
    drop: tuple[str, ...] = Field((), description="Columns that no model may use, such as those known too late.")
    roles: dict[str, Role] = Field({}, description="Roles that override what would be inferred.")
    labels: str | SqlSource | None = Field(None, description="Where labels come from that come alone, by data.ids.")
    label_delay: Duration | None = Field(None, description="How long after the row its label is known.")
    on_change: SchemaPolicy = Field(SchemaPolicy(), description="What a change of columns leads to.")

    @field_validator("source", "labels")
    @classmethod
    def _refer_to_secrets(cls, where: str | SqlSource | None) -> str | SqlSource | None:
        secret = secret_in(where.url if isinstance(where, SqlSource) else where or "")
        if secret:
            raise ValueError(f"it holds {secret}, spelt out; {INSTEAD}")
        return where

    @property
    def reserved(self) -> frozenset[str]:
        """Columns that are never features. The time column is one: its calendar may be, itself it is not."""
        named = {self.target, self.group, self.weight, *self.ids, *self.drop}
        dropped = {name for name, role in self.roles.items() if role == "drop"}
        return frozenset(name for name in named | dropped if name)


class Range(_Part):
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


class Search(_Part):
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


class Evaluation(_Part):
    """Which rows prove that a model is good; the search never sees them."""

    holdout: Annotated[float, Field(gt=0, lt=0.9)] | Duration = Field(
        0.2, description="Share of the rows, or with a time column also the last period, such as 14d."
    )


class Promotion(_Part):
    """When a challenger takes over."""

    approval: Literal["auto", "manual"] = Field("auto", description="manual: a person says `everfit promote`.")
    margin: float = Field(0.01, ge=0, lt=1, description="Relative loss that still counts as 'not worse'.")
    stale_after: Duration = Field(timedelta(days=30), description="Then 'not worse' is enough to replace the champion.")


class Monitor(_Part):
    """How new batches are watched."""

    every: Duration | None = Field(None, description="Interval of the monitor's schedule; none: only when asked.")
    reference: Literal["training", "recent"] = Field(
        "training",
        description="What batches are compared with: the champion's training rows, or those accepted lately.",
    )
    min_rows: int = Field(500, ge=30, description="Fewer rows are not enough to judge drift.")
    min_labels: int = Field(200, ge=30, description="Fewer labelled rows are not enough to judge performance.")
    loss_increase: float = Field(0.1, gt=0, description="Relative rise of the loss that matters.")
    significance: float = Field(0.01, gt=0, lt=0.5, description="False-alarm level of each test, over all columns.")


class Retrain(_Part):
    """When retraining may start by itself."""

    auto: bool = Field(True, description="false: verdicts are recorded, nothing starts by itself.")
    schedule: Annotated[str | None, AfterValidator(_cron)] = Field(
        None, description="Cron of a calendar retraining, such as '0 3 * * 1'."
    )
    cooldown: Duration = Field(timedelta(days=1), description="Quiet time after a retraining has finished.")
    max_per_week: int = Field(3, ge=0, description="Retrainings by drift in any seven days.")


class Spending(_Part):
    """What the searches of a calendar month (UTC) may cost; a search costs its time on each core that it has."""

    cpu_hours_per_month: float | None = Field(None, gt=0, description="So many hours of one core.")
    money_per_month: float | None = Field(None, gt=0, description="So much, at EVERFIT_CPU_HOUR_PRICE for an hour.")

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.cpu_hours_per_month is not None or self.money_per_month is not None


class ModelSpec(_Part):
    """One production model."""

    name: Annotated[str, Field(pattern=NAME, max_length=60)] = Field(description="Also the name of the file.")
    owner: str = Field("", description="Who is asked when something needs a person.")
    tags: dict[str, str] = Field({}, description="Free labels; they show up in Prefect and MLflow.")
    data: Data
    suites: tuple[str, ...] = Field((), description="Files in expectations/, without .yaml.")
    search: Search = Field(default_factory=Search)  # a schema that is the same on every machine
    evaluation: Evaluation = Field(Evaluation())
    promotion: Promotion = Field(Promotion())
    monitor: Monitor = Field(Monitor())
    retrain: Retrain = Field(Retrain())
    spending: Spending = Field(Spending())

    @model_validator(mode="after")
    def _agree(self) -> Self:
        data, holdout = self.data, self.evaluation.holdout
        if isinstance(holdout, timedelta) and not data.time:
            raise ValueError("evaluation.holdout is a period, which needs data.time; give a share such as 0.2")
        if data.positive is not None and data.task in ("regression", "multiclass"):
            raise ValueError(f"data.positive is for binary tasks, and data.task says {data.task}")
        if self.search.costs and data.task == "regression":
            raise ValueError("search.costs are those of missing a class, and data.task says regression")
        if data.labels and not data.ids:
            raise ValueError("data.labels needs data.ids: labels find their rows by the ids")
        if data.label_delay and not data.time:
            raise ValueError("data.label_delay is a time after the row, which needs data.time")
        if data.target in {data.time, data.group, data.weight, *data.ids, *data.drop}:
            raise ValueError(f"the target '{data.target}' has a second role in data")
        return self


def load_spec(name: str, folder: Path) -> ModelSpec:
    """Read and check `folder/<name>.yaml`; raise InputError or SpecError, with every mistake and its line."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = model_names(folder)
        hint = did_you_mean(name, known) if known else ""
        raise InputError(
            f"There is no model '{name}': {path} does not exist.{hint}",
            do=f"everfit new {name} --data FILE --target COLUMN writes one.",
        )
    document = documents.read(path, SpecError)
    spec = parse_spec(document)
    if spec.name != name:
        raise SpecError(f"{path} says name: {spec.name}, and its file name says {name}; they must be the same.")
    return spec


def parse_spec(document: documents.Document) -> ModelSpec:
    """Check a document that was read; raise SpecError with every mistake and its line."""
    if not isinstance(document.data, dict):
        raise SpecError(f"{document.path} holds no model: it must be a mapping with at least name and data.")
    try:
        return ModelSpec.model_validate(document.data)
    except ValidationError as cause:
        problems = [_explain(error, document) for error in cause.errors()]
        raise SpecError(
            f"{document.path} has {len(problems)} mistake(s).",
            details=problems,
            do="`everfit schema` prints what a model file may say.",
        ) from cause


def model_names(folder: Path) -> list[str]:
    """Return the names of all model files in a folder, sorted; what an editor hides there is none."""
    return sorted(path.stem for path in folder.glob("[!.]*.yaml"))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a model file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ModelSpec.model_json_schema()}


def _explain(error: Any, document: documents.Document) -> str:
    keys = tuple(key for key in error["loc"] if _in_file(key))
    where = f"{document.place(keys)}: {'.'.join(map(str, keys)) or 'the file'}"
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such key.{did_you_mean(str(keys[-1]), _fields_at(keys[:-1]))}"
    if error["type"] == "missing":
        return f"{where}: this is needed and missing."
    hidden = isinstance(error["input"], dict | list) or secret_in(str(error["input"]))
    said = "" if hidden else f" (it says {error['input']!r})"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}{said}."


def _in_file(key: str | int) -> bool:
    """Leave out the names that pydantic gives to the branches of a union."""
    return not (isinstance(key, str) and re.search(r"[\[\]()]|^(str|float|timedelta|SqlSource|constrained.*)$", key))


def _fields_at(keys: tuple[str | int, ...]) -> list[str]:
    part: Any = ModelSpec
    for key in keys:
        field = getattr(part, "model_fields", {}).get(str(key))
        if field is None:
            return []
        options = (field.annotation, *get_args(field.annotation))
        part = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return list(getattr(part, "model_fields", {}))
