"""The gate that fresh models pass before they answer: the same one in production and in a replay of history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from everfit.models.classes import spread
from everfit.models.portfolio import moved, said
from everfit.upkeep.losses import Floats, classes_of, shape_losses, truth_of
from everfit.upkeep.measuring import blend
from everfit.upkeep.proof import Proof, needs_twin, not_worse, prove
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

    def losses(self, mix: Mix, models: Models | None = None) -> Floats:
        """Return what it costs row by row, less what an offset mends, if windows had other models."""
        models = models or {}
        classes = None if self.classes is None else classes_of(models.values(), self.classes)
        members = {name: spread(known, self.classes, classes) for name, known in self.members.items()}
        members |= {name: said(model, self.rows, classes) for name, model in models.items()}
        answers = moved(blend(members, mix.among(members)), mix.offset, mix.trust)
        return shape_losses(answers, truth_of(self.y, classes), self.squared)

    def broken(self, model: Any) -> int:
        """Count the rows to which a model's answer is no number."""
        answers = said(model, self.rows, getattr(model, "classes_", None))
        return int((~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)).sum())


def judge(newest: Newest, state: State, fresh: Models, twin: Fit) -> dict[str, Proof]:
    """Prove windows' fresh models, each in its place beside the others, as `state` will have them answer.

    A model is None where its rows are of one class. `twin` fits one without the newest batch; it is asked for only
    where nothing else could say whether a refit helps.
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
    if not mix.weights.get(track.window):
        return Proof(True, SILENT)
    champion = newest.losses(mix)
    proof = prove(track, newest.losses(mix, {track.window: model}), champion)
    if not proof.ok or not needs_twin(track):
        return proof
    if not newest.fresh:
        return Proof(False, NOTHING_NEW)
    other = twin(track.window)
    if other is None:
        return Proof(False, ONE_CLASS)
    return prove(track, newest.losses(mix, {track.window: model}), champion, newest.losses(mix, {track.window: other}))
