"""One production model: all parts of its file, and where they must agree."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from everfit.spec.data import Data
from everfit.spec.part import Part
from everfit.spec.predict import Predict
from everfit.spec.refit import Refit
from everfit.spec.rollout import Rollout
from everfit.spec.search import Search
from everfit.spec.serve import Serve
from everfit.spec.times import Duration, cron

NAME = r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$"


class Evaluation(Part):
    """Which rows prove that a model is good; the search never sees them."""

    holdout: Annotated[float, Field(gt=0, lt=0.9)] | Duration = Field(
        0.2, description="Share of the rows, or with a time column also the last period, such as 14d."
    )


class Promotion(Part):
    """When a challenger takes over."""

    approval: Literal["auto", "manual"] = Field("auto", description="manual: a person says `everfit promote`.")
    margin: float = Field(0.01, ge=0, lt=1, description="Relative loss that still counts as 'not worse'.")
    stale_after: Duration = Field(timedelta(days=30), description="Then 'not worse' is enough to replace the champion.")


class Monitor(Part):
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


class Retrain(Part):
    """When retraining may start by itself."""

    auto: bool = Field(True, description="false: verdicts are recorded, nothing starts by itself.")
    schedule: Annotated[str | None, AfterValidator(cron)] = Field(
        None, description="Cron of a calendar retraining, such as '0 3 * * 1'."
    )
    cooldown: Duration = Field(timedelta(days=1), description="Quiet time after a search by drift has ended.")
    max_per_week: int = Field(3, ge=0, description="Searches by drift in any seven days.")


class Spending(Part):
    """What the searches of a calendar month (UTC) may cost; a search costs the CPU time that it uses."""

    cpu_hours_per_month: float | None = Field(None, gt=0, description="So many hours of one core.")
    money_per_month: float | None = Field(None, gt=0, description="So much, at EVERFIT_CPU_HOUR_PRICE for an hour.")

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.cpu_hours_per_month is not None or self.money_per_month is not None


class ModelSpec(Part):
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
    refit: Refit = Field(Refit())
    retrain: Retrain = Field(Retrain())
    spending: Spending = Field(Spending())
    serve: Serve = Field(Serve())
    predict: Predict = Field(Predict())
    rollout: Rollout = Field(Rollout())

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
        if self.serve.abstain.confidence is not None and data.task == "regression":
            raise ValueError("serve.abstain.confidence is about the likeliest class, and data.task says regression")
        if self.rollout.canary and self.rollout.canary.by == data.target:
            raise ValueError(f"rollout.canary.by is '{data.target}', the target, which no request has")
        if data.target in {data.time, data.group, data.weight, *data.ids, *data.drop}:
            raise ValueError(f"the target '{data.target}' has a second role in data")
        return self
