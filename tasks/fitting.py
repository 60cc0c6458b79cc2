"""The models of windows, fitted on rows of the past: each is the pipeline that a search found, on its own window."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from everfit.models.classes import factors_of
from everfit.models.lighter import merged
from everfit.models.portfolio import Portfolio
from everfit.spec import ModelSpec
from everfit.upkeep.learning import learn
from everfit.upkeep.losses import classes_of
from everfit.upkeep.state import Mix
from everfit.upkeep.windows import Window, windows_of
from tasks.build_features import weight_of
from tasks.lineage import Lineage


@dataclass(frozen=True)
class Fitting:
    """How windows are fitted: by the recipe of the root, on so many rows for each `batch`, if that is known.

    Another world began `since` batches ago, if any did.
    """

    spec: ModelSpec
    lineage: Lineage = field(repr=False)
    batch: int | None
    since: int | None = None

    def may(self, name: str) -> bool:
        """Say whether it is a window of the policy, and how many rows it has is known."""
        window = self._windows.get(name)
        return window is not None and (self.batch is not None or window.batches is None)

    def fit(self, name: str, rows: pd.DataFrame) -> Any:
        """Return a window's model that learnt from the last of these rows, which are in the order of time.

        None where these are of one class, from which nothing can be learnt.
        """
        window, y = self._windows[name], rows[self.spec.data.target].to_numpy()
        recipe, numbers = merged(self.lineage.root.pipeline), self.lineage.champion.task == "regression"
        weight = weight_of(self.spec, rows)
        return learn(window, recipe, rows, y, self._size(window), numbers=numbers, weight=weight)

    def join(self, models: Mapping[str, Any], mix: Mix) -> Portfolio:
        """Let those models that there are answer as one; a window without a model has no weight."""
        there = {name: model for name, model in models.items() if model is not None}
        mix = mix.among(there)
        members = [(name, model, mix.weights[name], self._size(self._windows[name])) for name, model in there.items()]
        classes = classes_of(there.values())
        root = self.lineage.root.pipeline.steps[-1][1]
        factors = factors_of(getattr(root, "factors", None), getattr(root, "classes", None), classes)
        return Portfolio(members, mix.offset, mix.trust, classes, factors)

    def _size(self, window: Window) -> int | None:
        return None if self.batch is None else window.rows(self.batch, self.since)

    @property
    def _windows(self) -> dict[str, Window]:
        return {window.name: window for window in windows_of(self.spec.refit)}


def twin_of(spec: ModelSpec, lineage: Lineage, rows: pd.DataFrame) -> Portfolio:
    """Return a champion that is a refit as it would be had it learnt from these rows alone, in the order of time.

    Its weights stay; its offset, which only says how far off the latest answers were, does not.
    """
    fitting = Fitting(spec, lineage, lineage.batch(), lineage.state().since)
    shares = {name: weight for name, _, weight, _ in lineage.champion.pipeline.members if weight and fitting.may(name)}
    return fitting.join({name: fitting.fit(name, rows) for name in shares}, Mix(shares))
