"""Rows and what a champion said of them: what signals about its answers look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from everfit.evaluation import Predicted, row_losses
from everfit.monitor.counts import Floats

ROWS = 5_000  # of a side are enough for a signal; more cost time and change little

Ask = Callable[[pd.DataFrame], Predicted]


@dataclass(frozen=True)
class Answered:
    """Rows in the order of time, what was said of each before it was learnt from, and what that cost.

    `losses` are NaN where no label is known.
    """

    frame: pd.DataFrame
    said: Predicted
    losses: Floats

    @classmethod
    def by(cls, ask: Ask, frame: pd.DataFrame, task: str, target: str) -> Self:
        """Ask about rows that have their label, or may get it later."""
        if frame.empty:
            return cls.nothing()
        said, losses = ask(frame), np.full(len(frame), np.nan)
        if target in frame and (known := frame[target].notna().to_numpy()).any():
            losses[known] = row_losses(task, frame.loc[known, target], said.take(known))
        return cls(frame, said, losses)

    @classmethod
    def nothing(cls) -> Self:
        """Return what is said of no rows."""
        return cls(pd.DataFrame(), Predicted(np.empty(0)), np.empty(0))

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Answered:
        """Return some rows, by their positions."""
        return Answered(self.frame.iloc[rows], self.said.take(rows), self.losses[rows])

    @property
    def proba(self) -> Floats:
        """The probability of each class that the champion knows; only classifiers have it."""
        assert self.said.proba is not None
        return self.said.proba

    def truth(self, target: str) -> Floats:
        """Return a column for each of these classes: is it this one?"""
        assert self.said.classes is not None
        return np.asarray(self.frame[target].to_numpy()[:, None] == self.said.classes, dtype="float64")

    @property
    def known(self) -> Answered:
        """The rows whose label is known."""
        return self.take(np.flatnonzero(~np.isnan(self.losses)))
