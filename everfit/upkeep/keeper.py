"""A champion that is kept fit in memory: it answers, sees labels, and learns again when that is due."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from everfit.models.lighter import lighter, merged
from everfit.models.portfolio import Portfolio, moved, refitted, said
from everfit.spec import Refit
from everfit.upkeep.advance import begin
from everfit.upkeep.losses import Floats
from everfit.upkeep.measuring import Answers, Measured, blend, measure
from everfit.upkeep.state import State
from everfit.upkeep.windows import ALL, Window, windows_of

Key = tuple[str, int]


@dataclass
class Keeper:
    """The rows that were labelled so far, in the order of time, and the models of its windows.

    `pipeline` is a fitted pipeline of all rows. `batch` is how many rows a batch usually has. Models are kept by
    (window, batch after which they learnt) as long as something is compared with them.
    """

    pipeline: Any
    frame: pd.DataFrame
    y: np.ndarray
    policy: Refit
    task: str
    batch: int
    state: State = field(init=False)
    models: dict[Key, Any] = field(init=False, default_factory=dict)
    fits: int = 0

    def __post_init__(self) -> None:
        self.state = begin(self.policy, self.task)
        self.models[ALL, 0] = self.pipeline
        for window in windows_of(self.policy)[1:]:
            self._fit(window, 0)

    @property
    def served(self) -> Portfolio:
        """The portfolio that answers now."""
        mix = self.state.served
        members = [
            (window.name, self.models[window.name, self.state.track(window.name).fitted], mix.weights[window.name],
             window.rows(self.batch)) for window in windows_of(self.policy)
        ]  # fmt: skip
        return Portfolio(members, mix.offset, mix.trust, self.classes)

    @property
    def classes(self) -> np.ndarray | None:
        """The classes that any of its models knows; None for numbers."""
        if self.task == "regression":
            return None
        return np.unique(np.concatenate([model.classes_ for model in self.models.values()]))

    def answers(self, frame: pd.DataFrame) -> Answers:
        """Return what everybody who will be judged says of rows; each model is asked once."""
        classes, tracks = self.classes, self.state.tracks
        known: dict[Key, Floats] = {}

        def ask(window: str, fitted: int) -> Floats:
            key = (window, fitted)
            if key not in known:
                known[key] = said(self.models[key], frame, classes)
            return known[key]

        old = ask(ALL, self.state.old) if self.state.batches else None
        before = {track.window: ask(track.window, track.before) for track in tracks if track.before is not None}
        return Answers({track.window: ask(track.window, track.fitted) for track in tracks}, before, old)

    def serve(self, answers: Answers) -> Floats:
        """Return what is said of rows, of which everybody's answers are known: numbers, or probabilities by class."""
        mix = self.state.served
        return moved(blend(answers.members, mix), mix.offset, mix.trust)

    def measure(self, answers: Answers, y: np.ndarray) -> Measured | None:
        """Return the numbers that a batch gives, which was answered before its labels came."""
        classes = self.classes
        truth = np.asarray(y, dtype="float64") if classes is None else positions(y, classes)
        return measure(answers, truth, self.state.served)

    def learn(self, frame: pd.DataFrame, y: np.ndarray) -> None:
        """Take in the rows of a batch with their labels."""
        self.frame = pd.concat([self.frame, frame], ignore_index=True)
        self.y = np.concatenate([self.y, y])

    def act(self, state: State, refit: Collection[str]) -> None:
        """Go over to a new state: refit windows, and forget models that nothing is compared with any more."""
        self.state = state
        for window in windows_of(self.policy):
            if window.name in refit:
                self._fit(window, state.batches)
        self.models = {key: model for key, model in self.models.items() if key in needed(state)}

    def _fit(self, window: Window, at: int) -> None:
        recipe = lighter(merged(self.pipeline)) if window.light else merged(self.pipeline)
        self.models[window.name, at] = refitted(recipe, self.frame, self.y, window.rows(self.batch))
        self.fits += 1


def positions(y: np.ndarray, classes: np.ndarray) -> Floats:
    """Return where each label is among sorted classes; one that is not among them comes after all."""
    at = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    return np.where(classes[at] == y, at, len(classes)).astype("float64")


def needed(state: State) -> set[Key]:
    """Return the models that answer, and those that something is or will be compared with."""
    now = {(track.window, track.fitted) for track in state.tracks}
    before = {(track.window, track.before) for track in state.tracks if track.before is not None}
    return now | before | {(ALL, fitted) for fitted in state.fits}
