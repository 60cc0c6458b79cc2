"""When a prediction is held back: the model is not sure, or the record is unlike those of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation
from everfit.explanation.explainer import thinned
from everfit.features import casts
from everfit.serving.contract import Contract, Field
from everfit.serving.values import Read
from everfit.spec import Abstain

ROWS = 200  # of the reference, whose answers say which fields matter
MOST = 20_000  # rows that the model is asked about for that, if there are many fields
FEW = 16  # values, up to which a look at each is quicker than one sweep
THERE = {str, int, bool}  # types of values that are never missing
LEAST = 0.01  # of the spread of answers: what a field that matters moves them by when its values are shuffled
BEYOND, UNSEEN, GAP, GAPS, UNSURE = "out of range", "unseen level", "missing", "too many missing", "low confidence"

Ask = Callable[[pd.DataFrame], evaluation.Predicted]


@dataclass(frozen=True)
class Reason:
    """Why a prediction is held back. It shows what is usual, and never the value that came."""

    kind: str
    field: str = ""
    usual: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return what is said, ready for JSON."""
        return {name: value for name, value in self.__dict__.items() if value}

    def __str__(self) -> str:
        return f"{self.kind}: {self.field}" if self.field else self.kind


@dataclass(frozen=True)
class Usual:
    """What a sample of training rows holds in a field. A None for `low`, `levels` or `whole` asks nothing of a value.

    `whole` is the reason that a missing value gives. Only numbers have `low` and `high`.
    """

    name: str
    read: Read
    low: float | None = None
    high: float = 0.0
    beyond: Reason | None = None
    levels: frozenset[str] | None = None
    unseen: Reason | None = None
    whole: Reason | None = None

    def all_usual(self, values: Sequence[Any]) -> bool:
        """Say whether all values are there and usual, in one sweep; False where only a look at each of them tells."""
        if self.levels is not None:
            return self.levels.issuperset(values)
        if self.low is None:
            return set(map(type, values)) <= THERE
        try:
            read = np.array(values, dtype="float64")
        except (ValueError, TypeError, OverflowError):
            return False
        return bool(((self.low <= read) & (read <= self.high)).all())

    def oddity(self, value: Any) -> Reason | None:
        """Return why a value that was read and is there is none of the sample; None when it is."""
        if self.low is not None and not self.low <= value <= self.high:
            return self.beyond
        return self.unseen if self.levels is not None and value not in self.levels else None


@dataclass(frozen=True)
class Abstention:
    """Finds records whose prediction is held back; a few microseconds each."""

    policy: Abstain
    usual: tuple[Usual, ...]

    def reasons(self, columns: Mapping[str, Sequence[Any]], predicted: evaluation.Predicted) -> dict[int, list[Reason]]:
        """Return the reasons of each record that has any, by its position; `columns` are values as they came."""
        found: dict[int, list[Reason]] = {}
        gaps = [0] * len(predicted)
        many = len(predicted) > FEW
        for each in self.usual:
            if many and each.all_usual(columns[each.name]):
                continue
            for at, value in enumerate(map(each.read, columns[each.name])):
                if value != value:
                    gaps[at] += 1
                    why = each.whole
                else:
                    why = each.oddity(value)
                if why:
                    found.setdefault(at, []).append(why)
        if self.policy.broken:
            most = self.policy.gaps * len(self.usual)
            for at in (at for at, count in enumerate(gaps) if count > most):
                found.setdefault(at, []).append(Reason(GAPS))
        unsure = Reason(UNSURE, usual=f"{self.policy.confidence} or more")
        for at in self._unsure(predicted):
            found.setdefault(at, []).append(unsure)
        return found

    def _unsure(self, predicted: evaluation.Predicted) -> list[int]:
        if self.policy.confidence is None or predicted.proba is None:
            return []
        return np.flatnonzero(predicted.proba.max(axis=1) < self.policy.confidence).tolist()


def abstention_of(
    policy: Abstain, contract: Contract, reference: pd.DataFrame, card: Mapping[str, Any], ask: Ask
) -> Abstention | None:
    """Learn from a version's reference, a sample of rows, what is usual; None when the policy never abstains.

    A field's range counts when its values matter for answers, and its levels when also all of them could be listed.
    Dates have no range: tomorrow was never seen.
    """
    if not policy.ever:
        return None
    roles = {each["name"]: each["role"] for each in card["plan"]["columns"]}
    fields = [each for each in contract.fields if each.name in card["inputs"] and each.name in reference]
    watched = _that_matter([each.name for each in fields], reference, ask) if policy.range else set()
    return Abstention(
        policy,
        tuple(_usual(policy, each, reference[each.name], roles[each.name], each.name in watched) for each in fields),
    )


def _usual(policy: Abstain, each: Field, values: pd.Series, role: str, watched: bool) -> Usual:
    read = casts.cast(values, each.kind, each.format)
    seen, facts, sample = read.dropna(), dict[str, Any](), f"in a sample of {len(values):,} rows"
    if policy.broken and len(seen) == len(read):
        facts["whole"] = Reason(GAP, each.name, f"it is there {sample}")
    if each.kind == "number":
        facts |= {"low": -np.inf, "high": np.inf}
    if each.kind == "number" and watched and len(seen):
        low, high = float(seen.min()), float(seen.max())
        room = policy.margin * (high - low)
        told = "" if each.personal else f"{low:.6g} to {high:.6g} {sample}"
        facts |= {"low": low - room, "high": high + room, "beyond": Reason(BEYOND, each.name, told)}
    if watched and role == "categorical":
        told = "" if each.personal else f"such as {', '.join(each.levels)} {sample}"
        facts |= {"levels": frozenset(seen), "unseen": Reason(UNSEEN, each.name, told)}
    return Usual(each.name, _there if each.kind == "timestamp" else each.read, **facts)


def _there(value: Any) -> float:
    """Say only whether a date is missing, which is quicker than to read it: the contract has found that it can be."""
    return float("nan") if value is None or value != value else 0.0


def _that_matter(names: Sequence[str], reference: pd.DataFrame, ask: Ask) -> set[str]:
    """Return the fields whose shuffled values move answers to rows of the reference; all are asked in one call."""
    rows = thinned(reference[list(names)], min(ROWS, MOST // max(1, len(names))))
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = [rows.assign(**{name: rows[name].array[order]}) for name in names]
    before, *after = np.split(numbers(ask(pd.concat([rows, *shuffled], ignore_index=True))), 1 + len(names))
    least = LEAST * before.std(axis=0).max()
    return {name for name, said in zip(names, after, strict=True) if np.abs(said - before).mean() > least}


def numbers(predicted: evaluation.Predicted) -> np.ndarray:
    """Return what a model said as numbers, by row."""
    return np.asarray(predicted.values if predicted.proba is None else predicted.proba, dtype="float64")
