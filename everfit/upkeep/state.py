"""What the policy remembers from batch to batch: a few numbers, small enough to be kept with every decision."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from everfit.models.portfolio import Offset
from everfit.record import Record


@dataclass(frozen=True)
class Level(Record):
    """Mean and variance of losses over so many rows."""

    mean: float
    variance: float
    rows: int

    def with_more(self, level: Level, memory: float) -> Level:
        """Return the level of both together, when only a share of these rows is remembered."""
        shares = memory * self.rows, level.rows
        rows, parts = sum(shares), list(zip(shares, (self, level), strict=True))
        mean = sum(share * part.mean for share, part in parts) / rows
        variance = sum(share * (part.variance + (part.mean - mean) ** 2) for share, part in parts) / rows
        return Level(mean, variance, round(rows))


@dataclass(frozen=True)
class Mix(Record):
    """How windows answer together: the share of each, the offset, and how far that is trusted."""

    weights: dict[str, float]
    offset: Offset = 0.0
    trust: float = 0.5

    @property
    def move(self) -> float:
        """By how much answers are moved, about; of many classes the one that is moved most."""
        offsets: list[float] = np.atleast_1d(self.offset).tolist()
        return self.trust * max(offsets, key=abs)

    def apart(self, other: Mix) -> float:
        """Return by how much two mixes move answers apart; those of other classes have nothing in common."""
        mine, others = self.trust * np.atleast_1d(self.offset), other.trust * np.atleast_1d(other.offset)
        if mine.size != others.size:
            return float(np.abs([*mine, *others]).max())
        return float(np.abs(mine - others).max())

    def among(self, windows: Collection[str]) -> Mix:
        """Return the same of some windows alone, whose shares sum to one if any of them has one."""
        total = sum(self.weights[name] for name in windows) or 1.0
        return replace(self, weights={name: self.weights[name] / total for name in windows})


@dataclass(frozen=True)
class Track(Record):
    """How one window has fared.

    `fitted` is the number of the batch after which its model learnt (0: it came with the champion) and `before` that of
    the model that it replaced, until both have been compared. `tried` is the batch of the last refit, which is not
    `fitted` once a refit that did harm was undone. `gap` is the interval between refits, in batches. `loss` is the sum
    of its mean losses, faded by the policy's memory, and `seen` that of their weights; `gain` and `z` are the same of
    what refits brought, as a share of the loss and in standard errors.
    """

    window: str
    gap: float
    fitted: int = 0
    tried: int = 0
    before: int | None = None
    loss: float = 0.0
    seen: float = 0.0
    gain: float = 0.0
    gains: float = 0.0
    z: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True)
class State(Record):
    """All of it. `served` is what answers; `batches` have been labelled, after `fits` the window of all rows learnt.

    `offsets` are those of the latest batches, each with its information. `plain` and `moved` are faded losses of the
    blend without and with the offset, `seen` their weight. `usual` is the level of the loss since it last jumped
    or fell, and `worth` by how many standard errors what is served beats a version of long ago, on average of late. So
    many labelled batches in a row, up to the last, said that the loss has `risen` above what the champion was promoted
    with. `alarmed` is the batch whose loss last was an alarm, and `jumped` that with which another world began, as long
    as windows reach beyond it.
    """

    tracks: tuple[Track, ...]
    served: Mix
    numbers: bool  # are predicted, not classes
    batches: int = 0
    fits: tuple[int, ...] = (0,)
    offsets: tuple[tuple[Offset, Offset], ...] = ()
    plain: float = 0.0
    moved: float = 0.0
    seen: float = 0.0
    usual: Level | None = None
    worth: float = 0.0
    risen: int = 0
    alarmed: int = 0
    jumped: int | None = None

    @property
    def since(self) -> int | None:
        """How many batches have been labelled since another world began, with the one that told; None if none did."""
        return None if self.jumped is None else self.batches - self.jumped + 1

    def track(self, window: str) -> Track:
        """Return how a window has fared."""
        return next(track for track in self.tracks if track.window == window)

    @property
    def old(self) -> int:
        """The batch after which the version of long ago learnt, that what is served is compared with."""
        return self.fits[0]
