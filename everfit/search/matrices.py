"""The features of all rows as matrices on disk, made once and read by every worker."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from everfit.features import Style, encoder
from everfit.search.estimators import Rows
from everfit.search.tasks import Problem, Whole

ROWS = "rows.joblib"
HELD = 100e6  # bytes of folds' rows that a worker keeps in memory, one fold at least
ALL = "all"  # what is learnt from all rows, rather than from those of one fold


class Matrices:
    """Encoded rows by style, and encoders by name.

    The encoder of a style's plain columns is fitted once, on all rows that trials read; what looks at the target is
    fitted for each fold on the rows that it learns from. Whichever worker needs one first makes it for all; a file
    is whole or not there.
    """

    def __init__(self, problem: Problem, folder: Path) -> None:
        self.problem, self.folder = problem, folder
        self.held: dict[tuple[str, int], tuple[Rows, Rows]] = {}

    def sides(self, style: Style, at: int) -> tuple[Rows, Rows]:
        """Return the rows that a fold learns from, and those that score it."""
        if (style, at) not in self.held:
            fold = self.problem.folds[at]
            while sum(train.X.nbytes + valid.X.nbytes for train, valid in self.held.values()) > HELD:
                self.held.pop(next(iter(self.held)))
            self.held[style, at] = (self._rows(style, at, fold.train), self._rows(style, at, fold.valid))
        return self.held[style, at]

    def _rows(self, style: Style, at: int, rows: np.ndarray) -> Rows:
        parts = [self._plain(style)[rows]]
        if learns(self.problem, style):
            parts.append(self._learnt(style, at)[rows])
        weight = self.problem.weight
        return Rows(_beside(parts), self.problem.y[rows], None if weight is None else weight[rows])

    def frame(self) -> pd.DataFrame:
        """Read the conformed rows. Nobody keeps them: few need them, and only to make matrices of them."""
        made: pd.DataFrame = joblib.load(self.folder / ROWS, mmap_mode="r")
        return made

    def encoders(self, style: Style, at: int) -> list[Any]:
        """Return the fitted encoders of a fold, whose columns stand side by side."""
        self.sides(style, at)
        return [load(self.folder, name)[0] for name in names(self.problem, style, at)]

    def seconds(self, style: Style) -> float:
        """Return how long a style's plain columns took to be made."""
        return float(load(self.folder, style)[1])

    def whole(self, style: Style, whole: Whole, rows: np.ndarray) -> Rows:
        """Return all rows, or some of them, as the final fit reads them; what looks at the target learns from these."""
        self._plain(style)
        frame, y = whole.frame.iloc[rows], whole.y[rows]
        parts = [load(self.folder, style)[0].transform(frame)]
        if learns(self.problem, style):
            features = encoder(self.problem.plan, style, self.problem.job.task, "learnt")
            parts.append(features.fit_transform(frame, y))
            keep(self.folder, f"{style}-{ALL}", (features, 0.0))
        return Rows(_beside(parts), y, None if whole.weight is None else whole.weight[rows])

    def _plain(self, style: Style) -> np.ndarray:
        file = self.folder / f"{style}.npy"
        if not file.exists():
            began = time.perf_counter()
            features = encoder(self.problem.plan, style, self.problem.job.task, "plain")
            made = features.fit_transform(self.frame(), self.problem.y)
            keep(self.folder, style, (features, time.perf_counter() - began))
            _save(file, made)
        return _read(file)

    def _learnt(self, style: Style, at: int) -> np.ndarray:
        file = self.folder / f"{style}-{at}.npy"
        if not file.exists():
            features = encoder(self.problem.plan, style, self.problem.job.task, "learnt")
            made = self._learn(features, at)
            keep(self.folder, f"{style}-{at}", (features, 0.0))
            _save(file, made)
        return _read(file)

    def _learn(self, features: Any, at: int) -> np.ndarray:
        fold, frame, y = self.problem.folds[at], self.frame(), self.problem.y
        learnt = features.fit_transform(frame.iloc[fold.train], y[fold.train])
        made = np.zeros((len(y), learnt.shape[1]), dtype="float32")
        made[fold.train] = learnt
        made[fold.valid] = features.transform(frame.iloc[fold.valid])
        return made


def _beside(parts: list[np.ndarray]) -> np.ndarray:
    return np.hstack(parts) if len(parts) > 1 else parts[0]  # which would copy a single one as well


def learns(problem: Problem, style: Style) -> bool:
    """Whether a style has columns that look at the target."""
    return bool(encoder(problem.plan, style, problem.job.task, "learnt").steps)


def names(problem: Problem, style: Style, at: int | str) -> list[str]:
    """Return the names of the encoders that a model of this style and fold reads, in the order of their columns."""
    return [style, f"{style}-{at}"] if learns(problem, style) else [style]


def load(folder: Path, name: str) -> tuple[Any, float]:
    """Return a fitted encoder by its name, and the seconds that it took."""
    made: tuple[Any, float] = joblib.load(folder / f"{name}.joblib")
    return made


def keep(folder: Path, name: str, made: tuple[Any, float]) -> None:
    """Lay down a fitted encoder."""
    part = folder / f"{os.getpid()}-{name}.part"
    joblib.dump(made, part)
    part.replace(folder / f"{name}.joblib")


def clear(folder: Path) -> None:
    """Remove what was made of rows that are not those of the search."""
    for pattern in ("*.npy", "*.joblib", "*.part"):
        for file in folder.glob(pattern):
            file.unlink()


def _read(path: Path) -> np.ndarray:
    made: np.ndarray = np.load(path, mmap_mode="r")
    return made


def _save(path: Path, made: np.ndarray) -> None:
    part = path.with_name(f"{os.getpid()}-{path.name}")  # numpy insists on the suffix
    np.save(part, made)
    part.replace(path)
