"""A champion that is kept fit in memory: it answers, sees labels, and learns again when that is due."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from everfit.features.conform import Conform
from everfit.models.lighter import lighter, merged
from everfit.models.portfolio import Portfolio, moved, refitted, said, spread
from everfit.spec import Refit
from everfit.upkeep.advance import begin, undo
from everfit.upkeep.losses import Floats, shape_losses
from everfit.upkeep.measuring import Answers, Measured, blend, measure
from everfit.upkeep.proof import Proof, needs_twin, prove
from everfit.upkeep.state import State
from everfit.upkeep.windows import ALL, Window, windows_of

Key = tuple[str, int]


@dataclass
class Keeper:
    """The rows that were labelled so far, in the order of time, and the models of its windows.

    `pipeline` is a fitted pipeline of all rows of `frame` and `y`. `batch` is how many rows a batch usually has. Models
    are kept by (window, batch after which they learnt) as long as something is compared with them; all of them read
    conformed columns, which are made once. `fits` counts what was fitted, twins and refused models too.
    """

    pipeline: Pipeline
    frame: pd.DataFrame
    y: np.ndarray
    policy: Refit
    task: str
    batch: int
    state: State = field(init=False)
    models: dict[Key, Any] = field(init=False, default_factory=dict)
    fits: int = 0

    def __post_init__(self) -> None:
        at = int(isinstance(self.pipeline.steps[0][1], Conform))
        self._head, self._recipe = self.pipeline[:at], merged(self.pipeline[at:])
        self._met = (self.frame, self._head.transform(self.frame) if at else self.frame)
        self._rows, self._labels = self._met[1], self.y
        self.state = begin(self.policy, self.task)
        self.models[ALL, 0] = self.pipeline[at:]
        for window in windows_of(self.policy)[1:]:
            self.models[window.name, 0] = self._learnt(window) or self.models[ALL, 0]

    @property
    def served(self) -> Portfolio:
        """The portfolio that answers now."""
        mix = self.state.served
        members = [
            (window.name, self._whole(self.models[window.name, self.state.track(window.name).fitted]),
             mix.weights[window.name], window.rows(self.batch)) for window in windows_of(self.policy)
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
        rows, classes, tracks = self._conform(frame), self.classes, self.state.tracks
        known: dict[Key, Floats] = {}

        def ask(window: str, fitted: int) -> Floats:
            key = (window, fitted)
            if key not in known:
                known[key] = said(self.models[key], rows, classes)
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
        return measure(answers, _truth(y, self.classes), self.state.served)

    def learn(self, frame: pd.DataFrame, y: np.ndarray, answers: Answers | None = None) -> None:
        """Take in the rows of a batch with their labels; what was said of it is asked again where it is not given."""
        rows, known = self._conform(frame), answers or self.answers(frame)
        self._newest = _Labelled(rows, y, known.members, self.classes)
        self._rows = pd.concat([self._rows, rows], ignore_index=True)
        self._labels = np.concatenate([self._labels, y])

    def act(self, state: State, refit: Collection[str]) -> dict[str, Proof]:
        """Go over to a new state, refit windows, and forget models that nothing is compared with any more.

        Return the proofs of all refits; a window whose refit was refused keeps the model that it had.
        """
        self.state = state
        proofs = {window.name: self._refit(window) for window in windows_of(self.policy) if window.name in refit}
        self.state = undo(state, [name for name, proof in proofs.items() if not proof.ok], self.policy)
        self.models = {key: model for key, model in self.models.items() if key in needed(self.state)}
        return proofs

    def _refit(self, window: Window) -> Proof:
        track, fresh = self.state.track(window.name), self._learnt(window)
        if fresh is None:
            return Proof(False, f"its {len(self._labels[self._last(window)]):,} rows are of one class")
        self.models[window.name, track.fitted] = fresh
        twin = self._learnt(window, len(self._newest.y)) if needs_twin(track) else None
        by_twin = None if twin is None else self._losses({window.name: twin})
        return prove(track, self._losses({window.name: fresh}), self._losses({}), by_twin)

    def _losses(self, models: Mapping[str, Any]) -> Floats:
        """Return what the newest batch costs row by row, less what an offset mends, if windows had other models."""
        batch, classes = self._newest, self.classes
        members = {name: spread(known, batch.classes, classes) for name, known in batch.members.items()}
        members |= {name: said(model, batch.rows, classes) for name, model in models.items()}
        return shape_losses(blend(members, self.state.served), _truth(batch.y, classes))

    def _learnt(self, window: Window, without: int = 0) -> Any:
        """Return a model of the window's rows, but for so many of the newest; None of a single class."""
        last = self._last(window, without)
        if self.task != "regression" and len(np.unique(self._labels[last])) < 2:
            return None
        self.fits += 1
        recipe = lighter(self._recipe) if window.light else self._recipe
        return refitted(recipe, self._rows.iloc[last], self._labels[last])

    def _last(self, window: Window, without: int = 0) -> slice:
        known, rows = len(self._labels) - without, window.rows(self.batch)
        return slice(0 if rows is None else max(0, known - rows), known)

    def _conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame's conformed columns; those of the last one are known: what is answered is then learnt."""
        if frame is not self._met[0]:
            self._met = (frame, self._head.transform(frame) if self._head.steps else frame)
        return self._met[1]

    def _whole(self, model: Pipeline) -> Pipeline:
        return Pipeline([*self._head.steps, *model.steps])


@dataclass(frozen=True)
class _Labelled:
    """A labelled batch, and what each window said of it, about which classes, before its labels came."""

    rows: pd.DataFrame
    y: np.ndarray
    members: Mapping[str, Floats]
    classes: np.ndarray | None


def _truth(y: np.ndarray, classes: np.ndarray | None) -> Floats:
    return np.asarray(y, dtype="float64") if classes is None else positions(y, classes)


def positions(y: np.ndarray, classes: np.ndarray) -> Floats:
    """Return where each label is among sorted classes; one that is not among them comes after all."""
    at = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    return np.where(classes[at] == y, at, len(classes)).astype("float64")


def needed(state: State) -> set[Key]:
    """Return the models that answer, and those that something is or will be compared with."""
    now = {(track.window, track.fitted) for track in state.tracks}
    before = {(track.window, track.before) for track in state.tracks if track.before is not None}
    return now | before | {(ALL, fitted) for fitted in state.fits}
