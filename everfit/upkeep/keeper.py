"""A champion that is kept fit in memory: it answers, sees labels, and learns again when that is due."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from everfit.features.conform import Conform
from everfit.models.lighter import merged
from everfit.models.portfolio import Portfolio, moved, said
from everfit.spec import Refit
from everfit.upkeep.advance import begin, undo
from everfit.upkeep.gate import Newest, judge, takes_over
from everfit.upkeep.learning import learn
from everfit.upkeep.losses import Floats, classes_of, truth_of
from everfit.upkeep.measuring import Answers, Measured, blend, measure
from everfit.upkeep.proof import Proof, in_doubt
from everfit.upkeep.state import State
from everfit.upkeep.taken import refused
from everfit.upkeep.trial import tried
from everfit.upkeep.windows import ALL, RECENT, windows_of

Key = tuple[str, int]


@dataclass
class Keeper:
    """The rows that were labelled so far, in the order of time, and the models of its windows.

    `pipeline` is a fitted pipeline of all rows of `frame` and `y`. `batch` is how many rows a batch usually has. Errors
    of numbers are absolute or `squared`, as the metric says. Models are kept by (window, batch after which they learnt)
    as long as something is compared with them; all of them read conformed columns, which are made once. `fits` counts
    what was fitted, twins and refused models too. A window of some rows has no model before its first refit.
    """

    pipeline: Pipeline
    frame: pd.DataFrame
    y: np.ndarray
    policy: Refit
    task: str
    batch: int
    squared: bool = False
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

    def bare(self) -> Keeper:
        """Return it without any rows, no larger than its models; `knows` gives them back."""
        bare, none = copy(self), pd.DataFrame()
        bare.__dict__.pop("_newest", None)  # of which nothing is asked before the next labels
        bare.frame, bare.y, bare._met, bare._rows, bare._labels = none, np.zeros(0), (none, none), none, np.zeros(0)
        return bare

    def knows(self, frame: pd.DataFrame, y: np.ndarray) -> None:
        """Go on with all rows that were labelled so far."""
        self.frame, self.y = frame, y
        self._rows, self._labels = self._conform(frame), y

    @property
    def served(self) -> Portfolio:
        """The portfolio that answers now."""
        rows = {window.name: window.rows(self.batch, self.state.since) for window in windows_of(self.policy)}
        there = {track.window: self.models.get((track.window, track.fitted)) for track in self.state.tracks}
        there = {name: model for name, model in there.items() if model is not None}
        mix = self.state.served.among(there)
        members = [(name, self._whole(model), mix.weights[name], rows[name]) for name, model in there.items()]
        return Portfolio(members, mix.offset, mix.trust, self.classes)

    @property
    def classes(self) -> np.ndarray | None:
        """The classes that any of its models knows; None for numbers."""
        if self.task == "regression":
            return None
        return classes_of(self.models.values())

    def answers(self, frame: pd.DataFrame) -> Answers:
        """Return what everybody who will be judged says of rows; each model is asked once."""
        rows, classes, tracks = self._conform(frame), self.classes, self.state.tracks
        known: dict[Key, Floats] = {}

        def ask(keys: Iterable[Key]) -> dict[str, Floats]:
            there = [key for key in keys if key in self.models]
            known.update({key: said(self.models[key], rows, classes) for key in there if key not in known})
            return {window: known[window, fitted] for window, fitted in there}

        now = ask((track.window, track.fitted) for track in tracks)
        before = ask((track.window, track.before) for track in tracks if track.before is not None)
        return Answers(now, before, ask([(ALL, self.state.old)])[ALL] if self.state.batches else None)

    def serve(self, answers: Answers) -> Floats:
        """Return what is said of rows, of which everybody's answers are known: numbers, or probabilities by class."""
        mix = self.state.served.among(answers.members)
        return moved(blend(answers.members, mix), mix.offset, mix.trust)

    def measure(self, answers: Answers, y: np.ndarray) -> Measured | None:
        """Return the numbers that a batch gives, which was answered before its labels came."""
        return measure(answers, truth_of(y, self.classes), self.state.served, self.squared)

    def learn(self, frame: pd.DataFrame, y: np.ndarray, answers: Answers | None = None) -> None:
        """Take in the rows of a batch with their labels; what was said of it is asked again where it is not given."""
        rows, known = self._conform(frame), answers or self.answers(frame)
        self._newest = Newest(rows, y, known.members, self.classes, squared=self.squared)
        self._rows = pd.concat([self._rows, rows], ignore_index=True)
        self._labels = np.concatenate([self._labels, y])

    def act(self, state: State, refit: Collection[str]) -> dict[str, Proof]:
        """Go over to a new state, refit windows, and forget models that nothing is compared with any more.

        Return the proofs of all refits; a window whose refit was refused keeps the model that it had, and all of them
        do where what would answer then is worse as a whole.
        """
        before, self.state = self.state, state
        newest = {name: len(self._newest.y) if in_doubt(state.track(name)) else 0 for name in refit}
        fresh = {name: self._learnt(name, newest[name]) for name in refit}
        proofs = judge(self._newest, state, fresh, self._twin) if fresh else {}
        passed = {name: fresh[name] for name, proof in proofs.items() if proof.ok}
        self.models |= {(name, state.track(name).fitted): model for name, model in passed.items()}
        self.state = undo(state, proofs.keys() - passed, self.policy)
        if RECENT in passed:
            self.state = tried(self._newest, self.state, self.policy, self._of_the_first)
        if (proofs and not passed) or self._worse(before):
            self.state = refused(state, before, refit, self.policy)
        self.models = {key: model for key, model in self.models.items() if key in needed(self.state)}
        return proofs

    def _worse(self, before: State) -> bool:
        """Say whether what answers now is worse than what did."""
        now = self.state
        if now.served == before.served:
            return False
        others = {
            track.window: self.models[track.window, track.fitted]
            for track in now.tracks if track.fitted != before.track(track.window).fitted
        }  # fmt: skip
        return bool(takes_over(self._newest, before.served, now.served, others))

    def _twin(self, name: str) -> Any:
        return self._learnt(name, len(self._newest.y))

    def _learnt(self, name: str, without: int = 0) -> Any:
        """Return a model of a window's rows, but for so many of the newest; None of a single class."""
        known = len(self._labels) - without
        return self._fitted(name, self._rows.iloc[:known], self._labels[:known])

    def _of_the_first(self, rows: int) -> Any:
        """Return a model of the first rows of the newest batch alone; None of a single class."""
        return self._fitted(RECENT, self._newest.rows.iloc[:rows], self._newest.y[:rows])

    def _fitted(self, name: str, rows: pd.DataFrame, y: np.ndarray) -> Any:
        window = next(window for window in windows_of(self.policy) if window.name == name)
        size = window.rows(self.batch, self.state.since)
        model = learn(window, self._recipe, rows, y, size, numbers=self.task == "regression")
        self.fits += model is not None
        return model

    def _conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame's conformed columns; those of the last one are known: what is answered is then learnt."""
        if frame is not self._met[0]:
            self._met = (frame, self._head.transform(frame) if self._head.steps else frame)
        return self._met[1]

    def _whole(self, model: Pipeline) -> Pipeline:
        return Pipeline([*self._head.steps, *model.steps])


def needed(state: State) -> set[Key]:
    """Return the models that answer, and those that something is or will be compared with."""
    now = {(track.window, track.fitted) for track in state.tracks}
    before = {(track.window, track.before) for track in state.tracks if track.before is not None}
    return now | before | {(ALL, fitted) for fitted in state.fits}
