"""What somebody wants of a search."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit.features import Plan
from everfit.search.estimators import FAMILIES, Family, Params
from everfit.search.hosts import Shared
from everfit.search.predicted import Metric
from everfit.search.problem import Given
from everfit.spec import Search


@dataclass(frozen=True)
class Order:
    """What is to be searched, on which rows and with what; `began` (monotonic seconds) is when its budget began."""

    given: Given
    plan: Plan
    task: str
    metric: Metric
    spec: Search
    positive: Any = None
    budget: float | None = None
    workers: int | None = None
    families: Sequence[Family] | None = None
    folder: Path | None = None
    identity: str = ""
    shared: Shared | None = None
    start: Sequence[tuple[str, Params]] = ()
    began: float = field(default_factory=clock.monotonic)

    @classmethod
    def of(
        cls, frame: pd.DataFrame, y: Any, *, time: np.ndarray | None = None, group: np.ndarray | None = None,
        weight: np.ndarray | None = None, gap: float = 0.0, **more: Any,
    ) -> Order:  # fmt: skip
        """Return an order for the rows whose answer is known."""
        return cls(Given(frame, y, time, group, weight, gap).answered(), **more)

    @property
    def allowed(self) -> float:
        """Seconds of wall time."""
        return self.budget if self.budget is not None else self.spec.budget.total_seconds()

    @property
    def size(self) -> float:
        """Seconds by which the trials of a search that begins here are sized, on all hosts."""
        return (self.shared and self.shared.size) or self.allowed

    @property
    def chosen(self) -> tuple[Family, ...]:
        """The families that may be tried, those that are usually best first."""
        return tuple(self.families or (family for family in FAMILIES if family.name in self.spec.estimators))
