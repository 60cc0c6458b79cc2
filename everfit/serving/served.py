"""A champion, ready to answer: loaded, compiled for one row, and checked against its own ordinary way."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import joblib
import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.explanation import Explainer
from everfit.explanation.explainer import thinned
from everfit.serving.abstaining import Abstention, Reason, abstention_of, numbers
from everfit.serving.compiled import Compiled, compile_pipeline
from everfit.serving.contract import Contract, Field, rows_of
from everfit.serving.frames import frame_of
from everfit.serving.values import FEW
from everfit.spec import ModelSpec

CHECKED = 200  # rows of the reference on which both ways must agree
CLOSE = 1e-6
SHOWN = 20
PART = 1_000  # rows of a large request, for which a thread of their own is worth it
EMPTY = pd.Series(dtype=object)
UNSEEN = "everfit: never seen"


class Unfit(ValueError):
    """A version loads, and does not answer as it must."""


@dataclass(frozen=True)
class Served:
    """One version that answers. `compiled` is None where it did not agree with the pipeline; `notes` say why."""

    loaded: registry.Loaded
    contract: Contract
    compiled: Compiled | None
    notes: tuple[str, ...]
    abstention: Abstention | None = None

    @cached_property
    def explainer(self) -> Explainer:
        """What explains its answers, made when it is first asked for."""
        return Explainer.of(self.loaded.pipeline, self.loaded.card, self.loaded.reference)

    @property
    def version(self) -> int:
        """Its number."""
        return self.loaded.version

    def predict(self, columns: Mapping[str, list[Any]]) -> evaluation.Predicted:
        """Answer records, given the values of each field: few of them by the compiled way."""
        rows = len(next(iter(columns.values()), []))
        if self.compiled is None or rows > FEW:
            return self.predict_frame(frame_of(self.contract, columns))
        reads = {each.name: each.read for each in self.contract.fields if each.name in self.loaded.card["inputs"]}
        said = np.concatenate([self.compiled.said(row) for row in rows_of(columns, reads)])
        return evaluation.as_predicted(self.loaded.pipeline, said, self.loaded.card["positive"])

    def doubts(
        self, columns: Mapping[str, list[Any]], predicted: evaluation.Predicted
    ) -> dict[int, list[Reason]] | None:
        """Return why answers are held back, by the position of their record; None where the model file never asks."""
        return self.abstention.reasons(columns, predicted) if self.abstention else None

    def predict_frame(self, frame: pd.DataFrame) -> evaluation.Predicted:
        """Answer the rows of a frame by the ordinary way; many of them in parts side by side, a core for each."""
        parts = np.array_split(np.arange(len(frame)), max(1, min(joblib.cpu_count(), len(frame) // PART)))
        if len(parts) == 1:
            return self._said(frame)
        with ThreadPoolExecutor(len(parts), "part") as pool:
            return together(list(pool.map(self._said, (frame.iloc[rows] for rows in parts))))

    def _said(self, frame: pd.DataFrame) -> evaluation.Predicted:
        return evaluation.predict(self.loaded.pipeline, frame, self.loaded.task, self.loaded.card["positive"])


def together(parts: Sequence[evaluation.Predicted]) -> evaluation.Predicted:
    """Put what one model said of parts of a frame below each other."""
    values = np.concatenate([part.values for part in parts])
    probas = [part.proba for part in parts if part.proba is not None]
    return replace(parts[0], values=values, proba=np.concatenate(probas) if probas else None)


def make_ready(spec: ModelSpec, loaded: registry.Loaded) -> Served:
    """Compile a version, and let both ways answer rows of its reference; raise Unfit when the ordinary one does not."""
    contract = contract_of(spec, loaded)
    served = Served(loaded, contract, compile_pipeline(loaded.pipeline), ())
    abstention = abstention_of(spec.serve.abstain, contract, loaded.reference, loaded.card, served.predict_frame)
    served = replace(served, abstention=abstention)
    frame = trials(loaded.reference, contract)
    ordinary = _finite(served.predict_frame(frame))
    columns = {each.name: _plain(frame[each.name]) for each in contract.fields}
    alone = [served.predict({name: [values[at]] for name, values in columns.items()}) for at in range(len(frame))]
    apart = np.abs(np.concatenate([numbers(one) for one in alone]) - ordinary)
    if not (apart <= CLOSE * np.maximum(1.0, np.abs(ordinary))).all():
        note = f"the compiled way is off by {apart.max():.2g}, and the ordinary one serves"
        logging.getLogger("everfit").warning("%s v%d: %s", spec.name, loaded.version, note)
        return replace(served, compiled=None, notes=(note,))
    slowly = served.compiled.slowly if served.compiled else ()
    unheard = spec.serve.abstain.confidence is not None and loaded.task == "regression"
    notes = ["serve.abstain.confidence is about classes, and says nothing of a number"] if unheard else []
    return replace(served, notes=(*notes, *(f"{name} goes the ordinary way" for name in slowly)))


def contract_of(spec: ModelSpec, loaded: registry.Loaded) -> Contract:
    """Return the fields: the model's inputs, and the ids and the time by which labels will find a row."""
    plan = {each["name"]: each for each in loaded.card["plan"]["columns"]}
    names = [*loaded.card["inputs"], *(n for n in (*spec.data.ids, spec.data.time) if n and n in loaded.card["schema"])]
    fields = []
    for name in dict.fromkeys(names):
        kind, form = loaded.card["schema"][name], ""
        if name in loaded.card["inputs"]:
            kind, form = plan[name]["kind"], plan[name]["format"]
        personal = name in spec.data.personal
        seen = loaded.reference[name].dropna() if name in loaded.reference and not personal else EMPTY
        levels = _levels(seen) if plan[name]["role"] == "categorical" else ()
        fields.append(Field(name, kind, form, levels, _example(seen, name, spec), personal))
    return Contract(tuple(fields), frozenset(loaded.card["schema"]) - frozenset(names))


def _levels(seen: pd.Series) -> tuple[str, ...]:
    return tuple(str(level) for level in seen.value_counts().index[:SHOWN])


def _example(seen: pd.Series, name: str, spec: ModelSpec) -> Any:
    """Return the most frequent value of a feature; ids name people."""
    if seen.empty or name in spec.data.ids:
        return None
    return _plain(seen.mode().iloc[:1])[0]


def _plain(values: pd.Series) -> list[Any]:
    """Return values as JSON would bring them."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return [None if pd.isna(value) else value.isoformat() for value in values]
    return [None if pd.isna(value) else value for value in values.astype(object).tolist()]


def trials(reference: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return rows to try both ways on: some of all times, some with gaps, some with text that nobody has seen."""
    names = [each.name for each in contract.fields if each.name in reference]
    rows = thinned(reference[names], CHECKED).astype(object)
    gaps, strange = rows.head(len(names) + 1).copy(), rows.head(20).copy()
    for at in range(min(len(gaps), len(names))):
        gaps.loc[at, names[at]] = None
    for each in contract.fields:
        if each.kind == "string" and each.name in strange:
            strange[each.name] = UNSEEN
    return pd.concat([rows, gaps, strange], ignore_index=True)


def _finite(predicted: evaluation.Predicted) -> np.ndarray:
    said = numbers(predicted)
    if not np.isfinite(said).all():
        raise Unfit("it gives answers that are no numbers")
    return said
