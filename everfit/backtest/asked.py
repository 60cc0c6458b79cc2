"""What is asked of a backtest, and what the two ways to say it mean."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import metadata
from pathlib import Path

from everfit import documents
from everfit.errors import InputError, SpecError, did_you_mean
from everfit.record import Record
from everfit.spec import ModelSpec, parse_duration, parse_spec

PARTS = ("refit", "monitor", "retrain", "promotion")  # of a model file, that are its policy
TRIALS, BUDGET = 8, timedelta(minutes=2)
FORMAT = 3  # of what is remembered: another one is begun anew


@dataclass(frozen=True)
class Asked(Record):
    """What history to live through, and how.

    `data` is a source (the model's own when empty), `batch` a period or a number of rows (25 batches when empty),
    `warmup` the share of rows that the first model learns from. The labels of a batch are known `delay` batches later:
    with one, before the next batch is answered; with none, after `data.label_delay`. Each search has `trials` and at
    most `budget`.
    """

    data: str = ""
    batch: str = ""
    warmup: float = 0.3
    delay: int = 0
    trials: int = TRIALS
    budget: timedelta = BUDGET

    def __post_init__(self) -> None:
        if not 0 < self.warmup < 1:
            raise InputError(f"--warmup is {self.warmup:g}.", do="Give a share of the rows, such as 0.3.")
        for name, value, least in (("delay", self.delay, 0), ("trials", self.trials, 1)):
            if value < least:
                raise InputError(f"--{name} is {value}.", do=f"Give {least} or more.")

    @property
    def period(self) -> timedelta | None:
        """How long a batch is; None when it is a number of rows. Raise InputError for what is neither."""
        if not self.batch or self.batch.isdigit():
            return None
        return lasting("--batch", self.batch, or_else=" or a number of rows")


def lasting(option: str, said: str, or_else: str = "") -> timedelta:
    """Read a period; raise InputError for what is none."""
    try:
        period = parse_duration(said)
    except ValueError:
        period = None
    if not isinstance(period, timedelta) or not period:
        raise InputError(f"{option} is '{said}'.", do=f"Give a period (90s, 3d, 1w){or_else}.")
    return period


def with_policy(spec: ModelSpec, path: Path) -> ModelSpec:
    """Return a model with the policy of another file: a whole model file, or some of `PARTS` in place of its own.

    Raise InputError or SpecError, with every mistake and its line.
    """
    document = documents.read(path, SpecError)
    said = document.data if isinstance(document.data, dict) else {}
    unknown = [key for key in said if key not in ModelSpec.model_fields]
    named = [key for key in PARTS if key in said]
    whole = "data" in said
    if unknown or not (named or whole):
        hint = did_you_mean(str(unknown[0]), PARTS) if unknown else ""
        what = f"has the key '{unknown[0]}', which is none of a model file.{hint}" if unknown else "says no policy."
        raise SpecError(f"{path} {what}", do=f"Give a model file, or some of {', '.join(PARTS)}.")
    needed = {"name": spec.name, "data": {"source": "-", "target": spec.data.target}}
    other = parse_spec(replace(document, data=needed | {key: said[key] for key in named}))
    return spec.model_copy(update={key: getattr(other, key) for key in (PARTS if whole else named)})


def name_of(*what: object) -> str:
    """Return 16 hex digits that are the same whenever the same is asked of the same version of everfit."""
    text = json.dumps([metadata.version("everfit"), FORMAT, *what], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
