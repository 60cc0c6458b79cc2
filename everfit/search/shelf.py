"""Where the fitted models of trials lie, and what they said of the rows that they did not learn from.

The last thing of a trial is its record: the outcome, and the size of each file that belongs to it. A trial without a
record, or with a file that is not there or is of another size, was not done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from everfit.files import replacing
from everfit.search.tasks import Outcome


def put(folder: Path, number: int, at: int, model: Any, said: np.ndarray) -> float:
    """Lay down what a trial did on one fold; without a model, only what it said. Return the model's megabytes."""
    with replacing(_said(folder, number, at)) as half, half.open("wb") as file:
        np.save(file, said)
    if model is None:
        return 0.0
    with replacing(_model(folder, number, at)) as half:
        joblib.dump(model, half)
    return _model(folder, number, at).stat().st_size / 2**20


def model(folder: Path, number: int, at: int) -> Any:
    """Return the model that a trial fitted on one fold."""
    return joblib.load(_model(folder, number, at))


def said(folder: Path, number: int, kept: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return what a trial said of validation rows, one fold after the other; `kept` are positions in those of each."""
    return np.concatenate([np.load(_said(folder, number, at), mmap_mode="r")[rows] for at, rows in kept.items()])


def clear(folder: Path, number: int, folds: Iterable[int]) -> None:
    """Remove everything of a trial but its record, which says from then on that no file belongs to it."""
    for at in folds:
        if outcome := recall(folder, number, at):
            _write(folder, outcome, at, [])
    for at in folds:
        _model(folder, number, at).unlink(missing_ok=True)
        _said(folder, number, at).unlink(missing_ok=True)


def holds(folder: Path, number: int) -> bool:
    """Whether there is what a trial said, and not only its record."""
    return _said(folder, number, 0).exists()


def remember(folder: Path, outcome: Outcome, at: int = 0) -> None:
    """Write the record of what was done, beginning with the fold `at`."""
    files = [name(folder, outcome.number, each) for each in outcome.folds for name in (_model, _said)]
    _write(folder, outcome, at, [file for file in files if file.exists()])


def recall(folder: Path, number: int, at: int = 0) -> Outcome | None:
    """Return what was done, beginning with the fold `at`; None when it has to be done yet."""
    file = _record(folder, number, at)
    if not file.exists():
        return None
    said = json.loads(file.read_text())
    return outcome_of(said) if whole(folder, said) else None


def record_of(folder: Path, outcome: Outcome) -> dict[str, Any]:
    """Return the record of a trial; of one that did not come so far as to have one, a record without files."""
    file = _record(folder, outcome.number, 0)
    return json.loads(file.read_text()) if file.exists() else {"outcome": asdict(outcome), "files": []}


def whole(folder: Path, record: dict[str, Any]) -> bool:
    """Whether all files that belong to a record are there, and of the size that it says."""
    return all((folder / name).exists() and (folder / name).stat().st_size == size for name, size in record["files"])


def outcome_of(record: dict[str, Any]) -> Outcome:
    """Return the outcome that a record holds."""
    said = record["outcome"]
    return Outcome(**(said | {name: tuple(said[name]) for name in ("scores", "folds")}))


def recorded(folder: Path) -> dict[int, Outcome]:
    """Return the outcome of every trial that was done, by its number."""
    numbers = sorted(int(file.stem.split("-")[1]) for file in folder.glob("done-[0-9]*-0.json"))
    found = ((number, recall(folder, number)) for number in numbers)
    return {number: outcome for number, outcome in found if outcome}


def _write(folder: Path, outcome: Outcome, at: int, files: list[Path]) -> None:
    sizes = [(file.name, file.stat().st_size) for file in files]
    with replacing(_record(folder, outcome.number, at)) as half:
        half.write_text(json.dumps({"outcome": asdict(outcome), "files": sizes}))


def _record(folder: Path, number: int, at: int) -> Path:
    return folder / f"done-{number}-{at}.json"


def _model(folder: Path, number: int, at: int) -> Path:
    return folder / f"model-{number}-{at}.joblib"


def _said(folder: Path, number: int, at: int) -> Path:
    return folder / f"said-{number}-{at}.npy"
