"""The gate that fresh models pass before they answer: the same one in production and in a replay of history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from everfit.models.classes import spread
from everfit.models.portfolio import moved, said
from everfit.upkeep.losses import Floats, classes_of, shape_losses, truth_of
from everfit.upkeep.measuring import blend
from everfit.upkeep.proof import Proof, in_doubt, needs_twin, not_worse, prove
from everfit.upkeep.state import Mix, State, Track

ONE_CLASS = "the rows that it would learn from are of one class"
NOTHING_NEW = "no labelled rows are newer than those learnt, and no refit before has shown that it helps"
SILENT = "it has no weight until labels have judged it"

Models = Mapping[str, Any]
Fit = Callable[[str], Any]


@dataclass(frozen=True)
class Newest:
    """The newest labelled batch, and what each window's model says of it, about which classes.

    It is `fresh` unless these models have learnt from it. Errors of numbers are absolute or `squared`.
    """

    rows: pd.DataFrame
    y: np.ndarray
    members: Mapping[str, Floats]
    classes: np.ndarray | None
    fresh: bool = True
    squared: bool = False
    _told: dict[int, tuple[Any, Floats]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def losses(self, mix: Mix, models: Models | None = None) -> Floats:
        """Return what it costs row by row, less what an offset mends, if windows had other models."""
        models = models or {}
        classes = None if self.classes is None else classes_of(models.values(), self.classes)
        members = {name: spread(known, self.classes, classes) for name, known in self.members.items()}
        members |= {name: spread(self._ask(model), _classes(model), classes) for name, model in models.items()}
        answers = moved(blend(members, mix.among(members)), mix.offset, mix.trust)
        return shape_losses(answers, truth_of(self.y, classes), self.squared)

    def broken(self, model: Any) -> int:
        """Count the rows to which a model's answer is no number."""
        answers = self._ask(model)
        return int((~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)).sum())

    def _ask(self, model: Any) -> Floats:
        """Return what a model says of its own classes; each is asked once, and kept so that no other has its id."""
        if id(model) not in self._told:
            self._told[id(model)] = (model, said(model, self.rows, _classes(model)))
        return self._told[id(model)][1]


def judge(newest: Newest, state: State, fresh: Models, twin: Fit) -> dict[str, Proof]:
    """Prove windows' fresh models, each in its place beside the others, as `state` will have them answer.

    A model is None where its rows are of one class. One of a window `in_doubt` has not learnt from the newest batch,
    all others have. `twin` fits one without it, and is asked for only where nothing else could say whether a refit
    helps.
    """
    return {name: _proof(newest, state.served, state.track(name), model, twin) for name, model in fresh.items()}


def takes_over(newest: Newest, before: Mix, after: Mix, fresh: Models) -> str:
    """Return what stands against all of it together: whatever it is made of, it must answer, and no worse."""
    return not_worse(newest.losses(after, fresh), newest.losses(before))


def _proof(newest: Newest, mix: Mix, track: Track, model: Any, twin: Fit) -> Proof:
    if model is None:
        return Proof(False, ONE_CLASS)
    if broken := newest.broken(model):
        return Proof(False, f"{broken:,} of its answers are no numbers")
    share = mix.weights.get(track.window, 0.0)
    if not share:
        return Proof(True, SILENT)
    champion, fresh = newest.losses(mix), newest.losses(mix, {track.window: model})
    doubted = in_doubt(track)
    if not doubted and not needs_twin(track, share):
        proof = prove(track, fresh, champion)
        return proof if track.gains or not proof.ok else Proof(True, f"its share of {share:.0%}, {_spared(track)}")
    if not newest.fresh:
        return Proof(False, NOTHING_NEW)
    other = model if doubted else twin(track.window)
    if other is None:
        return Proof(False, ONE_CLASS)
    return prove(track, fresh, champion, fresh if doubted else newest.losses(mix, {track.window: other}))


def _spared(track: Track) -> str:
    """Say why the share of a window whose refits no labels have judged needs no twin."""
    return "which labels gave it" if track.before else "which can do little harm until labels judge it"


def _classes(model: Any) -> np.ndarray | None:
    return getattr(model, "classes_", None)
