"""A model with what its answers are explained by: its raw fields, and rows of its making to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from everfit import evaluation
from everfit.explanation.shapley import PAIRS, Shapley, shapley
from everfit.features import casts

TOLERANCE = 1e-6  # base, contributions and others sum to the value within this, times the size of the value
SAMPLE = 2_000  # rows of the reference that are kept


def thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many rows, evenly spread over a frame and numbered anew."""
    places = np.linspace(0, len(frame) - 1, min(len(frame), most)).astype(int)
    return frame.iloc[places].reset_index(drop=True)


@dataclass(frozen=True)
class Explanation:
    """One answer: base + the sum of `contributions` is `value`, which is on `scale`. The largest come first.

    A contribution is (field, what it adds, standard error of that).
    """

    prediction: Any
    scale: str
    value: float
    base: float
    contributions: tuple[tuple[str, float, float], ...]

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Return the largest contributions one by one, and the sum of the others, ready for JSON."""
        shown = self.contributions[:top]
        return {
            "prediction": self.prediction,
            "scale": self.scale,
            "value": self.value,
            "base": self.base,
            "contributions": [{"field": field, "contribution": added, "error": error} for field, added, error in shown],
            "others": sum(added for _, added, _ in self.contributions[len(shown) :]),
        }


@dataclass(frozen=True)
class Explainer:
    """Explains a fitted pipeline of any shape. `reference` holds its raw fields, read as training read them.

    What is explained of two classes is the probability of the positive one, of more classes that of the one which is
    said of the row, and else the number itself. Probabilities are the final ones: blended, calibrated and moved.
    """

    pipeline: Any
    task: str
    target: str
    positive: Any
    kinds: Mapping[str, str]
    formats: Mapping[str, str]
    reference: pd.DataFrame

    @classmethod
    def of(cls, pipeline: Any, facts: Mapping[str, Any], reference: pd.DataFrame) -> Self:
        """Take from a version's card, or what is to become one: task, target, positive, inputs, and the plan."""
        plan = {each["name"]: each for each in facts["plan"]["columns"]}
        kinds = {name: plan[name]["kind"] for name in facts["inputs"]}
        formats = {name: plan[name]["format"] for name in facts["inputs"]}
        made = cls(pipeline, facts["task"], facts["target"], facts["positive"], kinds, formats, reference)
        return replace(made, reference=made.read(thinned(reference, SAMPLE)))

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the raw fields of rows as the model reads them; what is not there is missing."""
        columns = {
            name: casts.cast(frame[name], kind, self.formats[name])
            if name in frame
            else casts.missing(kind, len(frame), frame.index)
            for name, kind in self.kinds.items()
        }
        return pd.DataFrame(columns, index=frame.index)

    def ask(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the model's numbers, or its probabilities by class, by row and output."""
        regression = self.task == "regression"
        said = self.pipeline.predict(rows) if regression else self.pipeline.predict_proba(rows)
        return np.asarray(said, dtype="float64").reshape(len(rows), -1)

    def predict(self, rows: pd.DataFrame) -> evaluation.Predicted:
        """Return what the model says of rows that were read."""
        return evaluation.predict(self.pipeline, rows, self.task, self.positive)

    def shapley(self, rows: pd.DataFrame, *, pairs: int = PAIRS) -> Shapley:
        """Return the contributions to the answers to rows that were read."""
        return shapley(self.ask, rows.reset_index(drop=True), thinned(self.reference, pairs), pairs=pairs)

    def explain(self, frame: pd.DataFrame, *, pairs: int = PAIRS) -> list[Explanation]:
        """Explain the answer to each row."""
        rows = self.read(frame)
        predicted = self.predict(rows)
        found, which, labels = self.shapley(rows, pairs=pairs), self.outputs(predicted), predicted.values.tolist()
        return [self._one(found, at, int(which[at]), labels[at], predicted.classes) for at in range(len(rows))]

    def outputs(self, predicted: evaluation.Predicted) -> np.ndarray:
        """Return which output of the model is explained of each row."""
        if predicted.classes is None:
            return np.zeros(len(predicted), dtype=int)
        if len(predicted.classes) == 2:
            return np.full(len(predicted), predicted.positive)
        return np.searchsorted(predicted.classes, predicted.values)

    def scale(self, classes: Sequence[Any] | np.ndarray | None, which: int) -> str:
        """Say what contributions are parts of."""
        return self.target if classes is None else f"probability of {classes[which]!s}"

    def _one(self, found: Shapley, row: int, which: int, label: Any, classes: np.ndarray | None) -> Explanation:
        added = zip(found.fields, found.values[row, :, which].tolist(), found.errors[row, :, which].tolist(),
                    strict=True)  # fmt: skip
        largest = tuple(sorted(added, key=lambda each: -abs(each[1])))
        scale, base = self.scale(classes, which), float(found.base[which])
        return Explanation(label, scale, float(found.said[row, which]), base, largest)
