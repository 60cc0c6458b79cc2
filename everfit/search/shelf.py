"""Where the fitted models of trials lie, and what they said of the rows that they did not learn from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import joblib
import numpy as np


def put(folder: Path, number: int, at: int, model: Any, said: np.ndarray) -> float:
    """Lay down what a trial did on one fold; without a model, only what it said. Return the model's megabytes."""
    np.save(_said(folder, number, at), said)
    if model is None:
        return 0.0
    joblib.dump(model, _model(folder, number, at))
    return _model(folder, number, at).stat().st_size / 2**20


def model(folder: Path, number: int, at: int) -> Any:
    """Return the model that a trial fitted on one fold."""
    return joblib.load(_model(folder, number, at))


def said(folder: Path, number: int, folds: Iterable[int]) -> np.ndarray:
    """Return what a trial said of the validation rows of some folds, one fold after the other."""
    return np.concatenate([np.load(_said(folder, number, at)) for at in folds])


def clear(folder: Path, number: int, folds: Iterable[int]) -> None:
    """Remove everything of a trial."""
    for at in folds:
        _model(folder, number, at).unlink(missing_ok=True)
        _said(folder, number, at).unlink(missing_ok=True)


def _model(folder: Path, number: int, at: int) -> Path:
    return folder / f"model-{number}-{at}.joblib"


def _said(folder: Path, number: int, at: int) -> Path:
    return folder / f"said-{number}-{at}.npy"
