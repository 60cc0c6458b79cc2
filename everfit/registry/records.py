"""What goes into the registry and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from everfit.evaluation import Score
from everfit.schema import Kind, Schema
from everfit.spec import TaskType


@dataclass(frozen=True)
class Candidate:
    """A trained pipeline and everything that must be known of it later.

    `schema` are the kinds of all columns of the training data, in order, and `blank` names those of them that held no
    value; `inputs` names those that the pipeline reads. `run_key` names the training: registered under the same key
    again, it is the same version. `pages` is the folder that `everfit.report.save` filled. `how` says what made it: a
    training with its search, a refit or a recalibration.
    """

    model: str
    run_key: str
    pipeline: Any
    task: TaskType
    target: str
    metric: str
    schema: Mapping[str, Kind]
    inputs: Sequence[str]
    plan: Mapping[str, Any]
    snapshot: Mapping[str, Any]
    split: Mapping[str, Any]
    scores: Mapping[str, Score]
    leaderboard: Sequence[Mapping[str, Any]]
    trials: pd.DataFrame
    reference: pd.DataFrame
    train_rows: np.ndarray[Any, np.dtype[np.uint64]]
    blank: Sequence[str] = ()
    positive: Any = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    pages: Path | None = None
    how: str = "train"


@dataclass(frozen=True)
class Version:
    """One registered version: where it is and the SHA-256 of each of its files that everfit reads."""

    model: str
    number: int
    run: str
    experiment: str
    folder: str
    digests: dict[str, str]
    new: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Loaded:
    """A version, read back: the fitted pipeline, its card, the monitor's reference and the rows it learnt from."""

    model: str
    version: int
    folder: Path
    pipeline: Any
    card: dict[str, Any]
    reference: pd.DataFrame
    train_rows: np.ndarray[Any, np.dtype[np.uint64]]

    @property
    def task(self) -> TaskType:
        """What kind of answers it gives."""
        return cast(TaskType, self.card["task"])

    @property
    def schema(self) -> Schema:
        """The columns of the data that it learnt from."""
        return Schema.from_dict(dict(self.card["schema"]), self.card.get("blank", ()))

    def format_of(self, column: str | None) -> str:
        """Return how it learnt that a column's dates are written as text; empty when they are not."""
        formats = {each["name"]: each["format"] for each in self.card["plan"]["columns"]}
        return str(formats.get(column, ""))


@dataclass(frozen=True)
class Outcome:
    """What a promotion or a rollback came to; `changed` is False when it was so already."""

    model: str
    champion: int | None
    replaced: int | None
    changed: bool
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)
