"""Two versions beside each other: by what they answered, and by their losses once labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.lake import Lake, labels
from everfit.monitor.means import rise
from everfit.reserved import ID, PREDICTION_ID, VERSION
from everfit.serving.rollout import Losses, Stage
from everfit.spec import ModelSpec

FEWEST = 10  # labelled answers of each version, without which a loss says nothing


@dataclass(frozen=True)
class Comparison:
    """A challenger beside the version that answered: on how many answers, and how far they are apart.

    `apart` is the mean absolute difference of numbers, or the share of rows whose class is another one. The mean
    losses are of the same `labels` rows, and None without any.
    """

    answers: int
    apart: float
    labels: int = 0
    loss: float | None = None
    loss_beside: float | None = None

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        if self.loss is None:
            return f"{self.apart:.4g} apart"
        return f"{self.apart:.4g} apart; loss {self.loss:.4g} against {self.loss_beside:.4g} on {self.labels} labels"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


def said_of(ids: Sequence[str], predicted: evaluation.Predicted) -> pd.DataFrame:
    """Return answers as rows, as the lake keeps them."""
    said = pd.DataFrame({PREDICTION_ID: list(ids), "prediction": np.asarray(predicted.values)})
    if predicted.proba is not None and predicted.classes is not None:
        for at, label in enumerate(predicted.classes):
            said[f"probability_{label}"] = predicted.proba[:, at]
    return said


def canary_losses(lake: Lake, spec: ModelSpec, loaded: registry.Loaded, stage: Stage) -> Losses | None:
    """Compare the losses of what both versions answered since the canary began; None with too few labels."""
    given = labelled(lake, spec, lake.predictions(spec.name, since=stage.began))
    before, after = (given[given[VERSION] == version] for version in (stage.beside, stage.version))
    if min(len(before), len(after)) < FEWEST:
        return None
    found = rise(*(_losses(rows, rows, spec, loaded) for rows in (before, after)))
    return Losses(found.before, found.after, min(len(before), len(after)), found.p_value)


def shadow_beside(
    lake: Lake, spec: ModelSpec, loaded: registry.Loaded, beside: int, since: datetime
) -> Comparison | None:
    """Compare what a challenger answered in the background with what was given; None while nothing is in both."""
    given, said = lake.predictions(spec.name, version=beside, since=since), lake.shadow(spec.name, loaded.version)
    if given.empty or said.empty:
        return None
    given = given[given[PREDICTION_ID].isin(said[PREDICTION_ID])].reset_index(drop=True)
    if given.empty:
        return None
    said = said.drop_duplicates(PREDICTION_ID).set_index(PREDICTION_ID).loc[given[PREDICTION_ID]].reset_index()
    mine, theirs = said["prediction"], given["prediction"]
    apart = (mine - theirs).abs() if loaded.task == "regression" else mine != theirs
    known = labelled(lake, spec, given)
    if len(known) < FEWEST:
        return Comparison(len(given), float(apart.mean()))
    losses, beside_ = (_losses(rows.loc[known.index], known, spec, loaded).mean() for rows in (said, given))
    return Comparison(len(given), float(apart.mean()), len(known), float(losses), float(beside_))


def labelled(lake: Lake, spec: ModelSpec, given: pd.DataFrame) -> pd.DataFrame:
    """Return the answers whose label is known by now, with it: by their own ids, or by those of their rows."""
    if given.empty:
        return given.assign(**{spec.data.target: []})
    known = labels.complete(given.rename(columns={PREDICTION_ID: ID}), lake.labels(spec.name), spec.data)
    return known.dropna(subset=[spec.data.target]) if spec.data.target in known else known.iloc[:0]


def _losses(said: pd.DataFrame, truth: pd.DataFrame, spec: ModelSpec, loaded: registry.Loaded) -> np.ndarray:
    if loaded.task == "regression":
        predicted = evaluation.Predicted(said["prediction"].to_numpy(dtype="float64"))
        return evaluation.row_losses(loaded.task, truth[spec.data.target].to_numpy(dtype="float64"), predicted)
    classes = loaded.pipeline.classes_
    proba = said[[f"probability_{label}" for label in classes]].to_numpy(dtype="float64")
    values = said["prediction"].to_numpy(dtype=classes.dtype)
    target = truth[spec.data.target].to_numpy(dtype=classes.dtype)
    return evaluation.row_losses(loaded.task, target, evaluation.Predicted(values, proba, classes))
