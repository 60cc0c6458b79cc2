"""What a search says while it runs and when it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from everfit.features import Plan
    from everfit.search.predicted import Predicted

ENOUGH = 12  # finished trials of a family, for a word on which of its parameters matter

Status = Literal["done", "pruned", "failed", "timed out", "baseline"]


@dataclass(frozen=True)
class Standing:
    """How far one family has come: its trials that ended, how many of them failed, and how many are at work."""

    family: str
    done: int = 0
    failed: int = 0
    running: int = 0
    best: float | None = None


@dataclass(frozen=True)
class Progress:
    """How far a search has come; `families` are those that were tried, the best first."""

    done: int
    failed: int
    best_score: float | None
    best_family: str
    seconds: float
    allowed: float
    families: tuple[Standing, ...] = ()
    resumed: int = 0  # trials that were done before the search was killed
    doing: str = ""  # what comes before the first trial


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard. `low` and `high` hold the score's 95 % interval; a failure has a reason, no rank.

    `predict_ms` is for one row from raw columns on; that and `size_mb` are of one model, and of all in a blend.
    """

    rank: int | None
    family: str
    score: float | None
    low: float | None
    high: float | None
    fit_seconds: float | None
    predict_ms: float | None
    size_mb: float | None
    status: Status
    reason: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    scores: tuple[float, ...] = ()  # of each fold


@dataclass(frozen=True)
class OutOfFold:
    """What the winner said of some rows that judged it, and what was true of them."""

    y: np.ndarray
    predicted: Predicted
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Searched:
    """The final pipeline, and how it was found.

    `stopped_by` is `budget`, `trials` (or a grid's end) or `asked`; only a search that was stopped by `trials` can be
    `repeatable`, and `how` says whether it is. `resumed` counts the trials that were done before it was killed and
    gone on with.
    `plan` says what each column was taken for, and which ones were made of others and why.
    `spent` are the seconds of one core that went to each family, `own` those of them that were spent here and since it
    was gone on with.
    `note` says in words when the pipeline is not what it should be, such as fitted on fewer rows for lack of time.
    `winners` are the family and the parameters of each model that answers, without what stopping early learnt;
    `warmed` counts the given configurations that the search began with.
    `out_of_fold` is there when the winner judged validation rows; `asked` are Optuna's own records of the trials, which
    `everfit.search.importance` reads.
    """

    best: Any
    family: str
    params: dict[str, Any]
    score: float | None
    leaderboard: tuple[Row, ...]
    trials: pd.DataFrame
    seconds: float
    stopped_by: Literal["budget", "trials", "asked"]
    how: str
    plan: Plan
    note: str = ""
    spent: dict[str, float] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)
    repeatable: bool = False
    resumed: int = 0
    hosts: dict[str, int] = field(default_factory=dict)  # how many trials each of the other machines has done
    winners: tuple[tuple[str, dict[str, Any]], ...] = ()
    warmed: int = 0
    out_of_fold: OutOfFold | None = None
    asked: tuple[Any, ...] = ()
