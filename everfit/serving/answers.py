"""An answer for each row: what a client is given, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from everfit import evaluation
from everfit.personal import Personal
from everfit.serving.abstaining import Reason
from everfit.serving.served import Served

Doubts = Mapping[int, Sequence[Reason]]


def must_be_numbers(predicted: evaluation.Predicted) -> None:
    """Raise ValueError for answers that JSON cannot hold."""
    numbers = predicted.values if predicted.proba is None else predicted.proba
    if not np.isfinite(np.asarray(numbers, dtype="float64")).all():
        raise ValueError("its answers are no numbers")


def answers_of(predicted: evaluation.Predicted, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return an answer for each row, with an id by which its label may come later; null where it is no number."""
    values = finite(np.asarray(predicted.values))
    if predicted.proba is None or predicted.classes is None:
        return [{"id": own, "prediction": value} for own, value in zip(ids, values, strict=True)]
    names = [str(label) for label in predicted.classes.tolist()]
    return [
        {"id": own, "prediction": value, "probabilities": dict(zip(names, row, strict=True))}
        for own, value, row in zip(ids, values, finite(predicted.proba), strict=True)
    ]


def finite(numbers: np.ndarray) -> list[Any]:
    """Return values as lists, with null for what JSON has no number for."""
    if numbers.dtype.kind == "f" and not (fine := np.isfinite(numbers)).all():
        numbers = numbers.astype(object)
        numbers[~fine] = None
    return list(numbers.tolist())


def entries(
    served: Served, columns: Mapping[str, list[Any]], answers: Sequence[dict[str, Any]], doubts: Doubts,
    about: Mapping[str, Any], personal: Personal,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return what is kept of each answer, with a prediction that was held back, and nothing personal in clear."""
    shared = {"at": datetime.now(UTC).isoformat(), "version": served.version, **about}
    names = personal.names(columns)
    kept = [personal.column(name, columns[name]) for name in names]
    rows = zip(*kept, strict=True) if kept else [()] * len(answers)
    return [
        {**answer, **shared, "abstained": "; ".join(map(str, doubts.get(at, ()))),
         "fields": dict(zip(names, row, strict=True))}
        for at, (answer, row) in enumerate(zip(answers, rows, strict=True))
    ]  # fmt: skip
