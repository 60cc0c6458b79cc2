"""The search for a good pipeline, within a budget that is kept.

`warm_up` may be called early; `run` does the work. Nothing heavy is imported before one of them is called.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from everfit.search.predicted import Metric, Predicted, predict
from everfit.search.records import OutOfFold, Progress, Row, Searched, Standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from everfit.features import Plan
    from everfit.search.hosts import Shared
    from everfit.spec import Search

__all__ = [
    "Metric", "OutOfFold", "Predicted", "Progress", "Row", "Searched", "Standing", "along", "check",
    "constant_guess", "cpu_seconds", "forget", "importance", "predict", "reach", "run", "warm_up",
]  # fmt: skip


def warm_up() -> None:
    """Let the workers' imports begin in a process of their own; returns at once, and may be called twice."""
    from everfit.search import pool

    pool.warm_up()


def cpu_seconds() -> float:
    """Return the CPU-seconds that searches have used so far, with all else of this process; for differences."""
    from everfit.search import pool

    return pool.cpu_seconds()


def run(
    frame: pd.DataFrame, y: Any, *, plan: Plan, task: str, metric: Metric, spec: Search,
    on_progress: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None, **more: Any,
) -> Searched:  # fmt: skip
    """Search for the best pipeline; see `everfit.search.engine.run`, and its `Order` for what may be said."""
    began = monotonic()  # the imports are part of the budget
    from everfit.search import engine
    from everfit.search.order import Order

    order = Order.of(frame, y, plan=plan, task=task, metric=metric, spec=spec, began=began, **more)
    return engine.run(order, on_progress, stop)


def forget(folder: Path) -> None:
    """Remove what searches in a folder left to be gone on with; one that is at work there keeps its files."""
    from everfit.search import places

    places.forget(folder)


def reach(storage: str, files: str) -> None:
    """Raise when the database or the lake, where hosts meet, cannot be reached; do nothing without a database."""
    if storage:
        from everfit.search import hosts, studies

        studies.reach(storage)
        hosts.reach(files)


def along(frame: pd.DataFrame, y: Any, *, shared: Shared, **more: Any) -> int:
    """Work for a search that another host leads; see `everfit.search.engine.along`."""
    from everfit.search import engine
    from everfit.search.order import Order

    return engine.along(Order.of(frame, y, shared=shared, **more))


def check(spec: Search, y: pd.Series[Any], *, task: str, metric: str) -> None:
    """Raise SpecError when `search.space` or `search.costs` name what is not there; a search checks it as well."""
    if spec.space or spec.costs:
        from everfit.search import engine

        engine.check(spec, y, task, metric)


def importance(found: Searched, *, greater: bool) -> dict[str, pd.DataFrame]:
    """Return for each family which of its parameters mattered; see `everfit.search.fanova`."""
    from everfit.search import fanova

    return fanova.importance(found.asked, greater=greater)


def constant_guess(y: Any, *, task: str, metric: str, weight: Any = None) -> Any:
    """Return the fitted dummy: what every model has to beat. It answers any frame."""
    import numpy as np

    from everfit.search.estimators import BASELINE, Job

    model = BASELINE.build({}, Job(task=task, metric=metric, rows=len(y), columns=1))
    return model.fit(np.zeros((len(y), 1)), np.asarray(y), sample_weight=weight)
