"""How serving goes over to a new version, and how a version is tried before."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from everfit.spec.part import Part
from everfit.spec.times import Duration

Share = Annotated[float, Field(gt=0, le=1)]


def _rising(steps: tuple[float, ...]) -> tuple[float, ...]:
    if list(steps) != sorted(set(steps)):
        raise ValueError("each step must be a larger share than the one before it, such as [0.01, 0.1, 0.5, 1.0]")
    return steps


class Shadow(Part):
    """The challenger answers in the background, and nobody is given its answers."""

    share: Share = Field(0.2, description="Share of the requests that the challenger answers as well.")


class Canary(Part):
    """A new champion first takes a share of the requests, and is rolled back by itself when it does badly."""

    steps: Annotated[tuple[Share, ...], Field(min_length=1), AfterValidator(_rising)] = Field(
        (0.01, 0.1, 0.5, 1.0), description="Shares of the requests, one after the other; after the last it has all."
    )
    hold: Duration = Field(timedelta(hours=1), description="How long each step lasts at least.")
    by: str | None = Field(
        None,
        description="A field, such as a customer: the same value stays with the same version, "
        "and a request without one is the old version's. None: by prediction id. "
        "A request of many records is answered by one version, that of its first record.",
    )
    min_answers: int = Field(100, ge=1, description="Answers of the new version, without which no step ends.")
    max_error_rate: float = Field(0.01, ge=0, lt=1, description="Share of its answers of a step that may fail.")
    max_latency_ms: float | None = Field(
        None, gt=0, description="Milliseconds, within which 95 of 100 answers to at most 16 records must be."
    )
    max_loss_increase: float | None = Field(
        0.1, ge=0, description="Relative rise of the loss over the old version's, once labels are known; null: any."
    )
    min_labels: int = Field(50, ge=10, description="Fewer labelled answers of each version say nothing of the loss.")


class Rollout(Part):
    """Nothing of it is on by default: a new champion answers everything as soon as it is ready."""

    shadow: Shadow | None = Field(None, description="Try the challenger on real requests before it is promoted.")
    canary: Canary | None = Field(None, description="Let a new champion take over step by step.")
