"""An answer for each row: what a client is given, and what is kept of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from everfit import evaluation
from everfit.personal import Personal
from everfit.serving.abstaining import Reason
from everfit.serving.packed import as_entries, pack
from everfit.serving.values import FEW

Doubts = Mapping[int, Sequence[Reason]]
ID = 16  # bytes, as many as of a UUID


@dataclass(frozen=True)
class Answers:
    """What was said of some rows, by columns: an id by which a label may come, a prediction, each class's probability.

    A null stands where JSON has no number. `shares` is empty for regression. `doubts` are the reasons for which
    predictions are held back, by the position of their row; None where the model file never asks for any.
    """

    ids: Sequence[str]
    values: Sequence[Any]
    shares: Mapping[str, Sequence[Any]]
    doubts: Doubts | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def given(self) -> Answers:
        """Return what a client is given: nothing of what is held back."""
        if not self.doubts:
            return self
        kept = {name: _without(values, self.doubts) for name, values in self.shares.items()}
        return replace(self, values=_without(self.values, self.doubts), shares=kept)

    def records(self) -> list[dict[str, Any]]:
        """Return an object for each row, ready for JSON."""
        names, given = list(self.shares), self.given()
        said = [{"id": own, "prediction": value} for own, value in zip(given.ids, given.values, strict=True)]
        for each, row in zip(said, zip(*given.shares.values(), strict=True), strict=False):
            each["probabilities"] = dict(zip(names, row, strict=True))
        if self.doubts is None:
            return said
        for at, each in enumerate(said):
            each["abstained"] = at in self.doubts
            if at in self.doubts:
                each.pop("probabilities", None)
                each["reasons"] = self.reasons(at)
        return said

    def reasons(self, at: int) -> list[dict[str, Any]]:
        """Return why the prediction of a row is held back, ready for JSON."""
        return [why.to_dict() for why in (self.doubts or {}).get(at, ())]


def _without(values: Sequence[Any], doubts: Doubts) -> list[Any]:
    kept = list(values)
    for at in doubts:
        kept[at] = None
    return kept


def new_ids(rows: int) -> list[str]:
    """Return random ids, which nobody can guess: 128 bits each, from one call of the system."""
    said = os.urandom(ID * rows).hex()
    return [said[at : at + 2 * ID] for at in range(0, len(said), 2 * ID)]


def must_be_numbers(predicted: evaluation.Predicted) -> None:
    """Raise ValueError for answers that JSON cannot hold."""
    numbers = predicted.values if predicted.proba is None else predicted.proba
    if not np.isfinite(np.asarray(numbers, dtype="float64")).all():
        raise ValueError("its answers are no numbers")


def answers_of(ids: Sequence[str], predicted: evaluation.Predicted, doubts: Doubts | None) -> Answers:
    """Return what a version said of each row, by columns."""
    values = finite(np.asarray(predicted.values))
    if predicted.proba is None or predicted.classes is None:
        return Answers(ids, values, {}, doubts)
    names = [str(label) for label in predicted.classes.tolist()]
    return Answers(ids, values, {name: finite(predicted.proba[:, at]) for at, name in enumerate(names)}, doubts)


def finite(numbers: np.ndarray) -> list[Any]:
    """Return values as a list, with null for what JSON has no number for."""
    if numbers.dtype.kind == "f" and not (fine := np.isfinite(numbers)).all():
        numbers = numbers.astype(object)
        numbers[~fine] = None
    return list(numbers.tolist())


def entries(
    columns: Mapping[str, list[Any]], answers: Answers, about: Mapping[str, Any], personal: Personal
) -> list[dict[str, Any]]:
    """Return what the journal keeps of answers, with predictions that were held back, and nothing personal in clear."""
    facts = {"at": datetime.now(UTC).isoformat(), **about}
    doubts = answers.doubts or {}
    why = ["; ".join(map(str, doubts.get(at, ()))) for at in range(len(answers))]
    own = {"id": answers.ids, "prediction": answers.values, "abstained": why}
    fields = {name: personal.column(name, columns[name]) for name in personal.names(columns)}
    make = pack if len(answers) > FEW else as_entries
    return make(facts, own, answers.shares, fields)
