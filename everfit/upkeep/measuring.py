"""What a labelled batch says: everybody's answers, turned into the few numbers that the policy reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from everfit.models.portfolio import Offset, moved
from everfit.record import Record
from everfit.upkeep.losses import Floats, losses, mean_loss, of_a_constant, offset, shape_losses
from everfit.upkeep.state import Level, Mix

FEWEST = 30  # rows, without which nothing is measured


@dataclass(frozen=True)
class Answers:
    """What was said of a batch before its labels were known, row by row.

    By window: by its model now (`members`), and by the model that its last refit replaced (`before`), where that was
    not compared yet. `old` is what the version of long ago said. Arrays are (rows) of numbers, or (rows, classes) of
    probabilities.
    """

    members: Mapping[str, Floats]
    before: Mapping[str, Floats] = field(default_factory=dict)
    old: Floats | None = None

    def take(self, rows: np.ndarray) -> Answers:
        """Return the same for some rows, by position."""
        members = {name: said[rows] for name, said in self.members.items()}
        before = {name: said[rows] for name, said in self.before.items()}
        return Answers(members, before, None if self.old is None else self.old[rows])

    def sound(self) -> Answers:
        """Return those of models all of whose answers are numbers."""
        members = {name: said for name, said in self.members.items() if np.isfinite(said).all()}
        before = {name: said for name, said in self.before.items() if np.isfinite(said).all()}
        return Answers(members, before, self.old if self.old is not None and np.isfinite(self.old).all() else None)


@dataclass(frozen=True)
class Paid(Record):
    """By how much a blend was better with a window's model than with the one before: share of the loss, and z."""

    gain: float
    z: float


@dataclass(frozen=True)
class Measured(Record):
    """The numbers. `served` is the loss relative to a constant's, less what an offset gives for nothing.

    `worth` is the z of the version of long ago against what was served.
    """

    rows: int
    losses: dict[str, float]
    plain: float
    moved: float
    offset: Offset
    information: Offset
    served: Level
    refits: dict[str, Paid] = field(default_factory=dict)
    worth: float | None = None


def measure(answers: Answers, truth: Floats, mix: Mix, squared: bool = False) -> Measured | None:
    """Measure a batch that was answered with a mix; None of hardly any rows.

    `truth` are numbers or positions of classes; a class that is not among the columns has a position after them. A
    model that has answered with what is no number is left out, as it would leave no number in the state. Errors of
    numbers are absolute or `squared`.
    """
    known, answers = np.isfinite(truth), answers.sound()
    if not known.all():
        answers, truth = answers.take(known), truth[known]
    if len(truth) < FEWEST or not answers.members:
        return None
    mix = mix.among(answers.members)
    plain = blend(answers.members, mix)
    served = moved(plain, mix.offset, mix.trust)
    now = shape_losses(served, truth, squared)
    each = {name: mean_loss(said, truth, squared) for name, said in answers.members.items()}
    refits = {
        name: _paid(blend({**answers.members, name: said}, mix), plain, truth, answers.members[name], squared)
        for name, said in answers.before.items()
        if name in each
    }
    constant = of_a_constant(truth, 0 if plain.ndim == 1 else plain.shape[1], squared)
    return Measured(
        rows=len(truth),
        losses=each,
        plain=mean_loss(plain, truth, squared),
        moved=mean_loss(moved(plain, mix.offset), truth, squared),
        **dict(zip(("offset", "information"), offset(plain, truth, squared), strict=True)),
        served=Level(float(now.mean()) / constant, float(now.var()) / constant**2, len(now)),
        refits=refits,
        worth=None if answers.old is None else _z(shape_losses(answers.old, truth, squared) - now),
    )


def blend(members: Mapping[str, Floats], mix: Mix) -> Floats:
    """Return the weighted mean of what members said."""
    return np.asarray(np.sum([mix.weights[name] * said for name, said in members.items()], axis=0))


def _paid(without: Floats, plain: Floats, truth: Floats, alone: Floats, squared: bool) -> Paid:
    difference = shape_losses(without, truth, squared) - shape_losses(plain, truth, squared)
    scale = float(losses(alone, truth, squared).mean())
    return Paid(float(difference.mean()) / (scale + 1e-12), _z(difference))


def _z(difference: Floats) -> float:
    return float(difference.mean() / (difference.std() / np.sqrt(len(difference)) + 1e-12))
