"""The files that everfit keeps beside a model, and the digests that say they are still the same."""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit.errors import InputError
from everfit.registry.records import Candidate

MODEL = "model.skops"
CARD = "about/card.json"
REFERENCE = "about/reference.parquet"
TRAIN_ROWS = "about/train_rows.parquet"
OURS = (MODEL, CARD, REFERENCE, TRAIN_ROWS)
LIBRARIES = (
    "everfit",
    "scikit-learn",
    "lightgbm",
    "catboost",
    "xgboost-cpu",
    "numpy",
    "pandas",
    "scipy",
    "skops",
    "mlflow",
)


def write_about(candidate: Candidate, folder: Path) -> dict[str, Any]:
    """Write card, reference and learnt rows below a model's folder; return the card."""
    (folder / CARD).parent.mkdir()
    card = card_of(candidate)
    (folder / CARD).write_text(json.dumps(card, indent=1, default=str), encoding="utf-8")
    candidate.reference.to_parquet(folder / REFERENCE, index=False)
    rows = pd.DataFrame({"row": np.asarray(candidate.train_rows, dtype=np.uint64)})
    rows.to_parquet(folder / TRAIN_ROWS, index=False)
    return card


def card_of(candidate: Candidate) -> dict[str, Any]:
    """Say in plain JSON what this model is, what it learnt from and how good it was."""
    classes = getattr(candidate.pipeline, "classes_", None)
    return {
        "model": candidate.model,
        "task": candidate.task,
        "target": candidate.target,
        "metric": candidate.metric,
        "classes": None if classes is None else np.asarray(classes).tolist(),
        "positive": candidate.positive,
        "schema": dict(candidate.schema),
        "blank": list(candidate.blank),
        "inputs": list(candidate.inputs),
        "plan": dict(candidate.plan),
        "snapshot": dict(candidate.snapshot),
        "split": dict(candidate.split),
        "scores": {who: {"value": s.value, "low": s.low, "high": s.high} for who, s in candidate.scores.items()},
        "seconds": dict(candidate.seconds),
        "params": dict(candidate.params),
        "reason": candidate.reason,
        "run_key": candidate.run_key,
        "libraries": {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}},
    }


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each of our files below a folder."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in OURS}


def checked(folder: Path, known: dict[str, str], what: str, names: Sequence[str] = OURS) -> dict[str, bytes]:
    """Read our files whole, and return them only if every one is what was registered; raise InputError if not.

    What is returned is what was hashed: nobody can change a file in between.
    """
    found: dict[str, bytes] = {}
    for name in names:
        try:
            found[name] = (folder / name).read_bytes()
        except OSError as cause:
            raise InputError(
                f"{what} is not whole: {folder / name} cannot be read: {cause.strerror}.", do=GO_ON
            ) from cause
        if hashlib.sha256(found[name]).hexdigest() != known.get(name):
            raise InputError(
                f"{what} was altered: {folder / name} is not the file that was registered; it was not loaded.",
                why="A changed model file can predict anything, and can run code as it is read.",
                do=GO_ON,
            )
    return found


def read_frame(data: bytes) -> pd.DataFrame:
    """Read one of our Parquet files."""
    return pd.read_parquet(io.BytesIO(data))


GO_ON = "Restore it from a backup, go back with `everfit rollback`, or train again."
