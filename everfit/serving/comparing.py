"""Two versions beside each other: by what they answered, and by their losses once labels are known."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.errors import Unavailable
from everfit.lake import Lake, labels
from everfit.monitor.means import rise
from everfit.record import Record
from everfit.reserved import ANSWER, AT, ID, ORDER, PREDICTION_ID, VERSION
from everfit.serving.losses import Losses, looked_at
from everfit.serving.rollout import Stage
from everfit.spec import ModelSpec

LOG = logging.getLogger("everfit")
FEWEST = 10  # labelled answers, without which the loss of a challenger says nothing


@dataclass(frozen=True)
class Comparison(Record):
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


def said_of(ids: Sequence[str], predicted: evaluation.Predicted) -> pd.DataFrame:
    """Return answers as rows, as the lake keeps them."""
    return evaluation.as_columns(predicted).assign(**{PREDICTION_ID: list(ids)})


def canary_losses(
    lake: Lake, spec: ModelSpec, loaded: registry.Loaded, stage: Stage, fewest: int, over: Event
) -> Losses | None:
    """Compare the losses of what both versions answered since the canary began; None with too few labels.

    Later labels than those that are looked at do not count: see `losses`. Raise Unavailable once it is over.
    """
    known = lake.labels(spec.name)
    if known.empty:
        return None
    parts = lake.answers_in_parts(spec.name, spec.data, versions=(stage.beside, stage.version), since=stage.began)
    given = _below(labelled(part, known, spec) for part in _until(over, parts))
    sides = [given[given[VERSION] == version] for version in (stage.beside, stage.version)] if len(given) else []
    count = looked_at(min(map(len, sides), default=0), fewest)
    if not count:
        return None
    last = max(side[ORDER].nsmallest(count).iloc[-1] for side in sides)
    judged = [side[side[ORDER] <= last].sort_values(AT, kind="stable") for side in sides]
    found = rise(*(_losses(rows, rows, spec, loaded) for rows in judged))
    if not np.isfinite([found.before, found.after, found.p_value]).all():
        LOG.warning("%s: the losses of v%d and v%d cannot be compared", spec.name, stage.beside, stage.version)
        return None
    return Losses(found.before, found.after, count, found.p_value)


def shadow_beside(
    lake: Lake, spec: ModelSpec, loaded: registry.Loaded, beside: int, since: datetime
) -> Comparison | None:
    """Compare what a challenger answered in the background with what was given; None while nothing is in both."""
    said = lake.shadow(spec.name, loaded.version)
    if said.empty:
        return None
    said = said.drop_duplicates(PREDICTION_ID).set_index(PREDICTION_ID)
    parts = lake.answers_in_parts(spec.name, spec.data, versions=(beside,), since=since)
    given = _below(part[part[ID].isin(said.index)] for part in parts)
    if given.empty:
        return None
    said = said.loc[given[ID]].reset_index()
    mine, theirs = said[ANSWER], given[ANSWER]
    apart = (mine - theirs).abs() if loaded.task == "regression" else mine != theirs
    known = labelled(given, lake.labels(spec.name), spec)
    if len(known) < FEWEST:
        return Comparison(len(given), float(apart.mean()))
    losses, beside_ = (_losses(rows.loc[known.index], known, spec, loaded).mean() for rows in (said, given))
    return Comparison(len(given), float(apart.mean()), len(known), float(losses), float(beside_))


def labelled(given: pd.DataFrame, known: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Return the answers whose label is known by now, with it and its place among the labels.

    They are found by their own ids, or by those of their rows.
    """
    at = labels.matches(given, known, spec.data)
    there = at >= 0
    truth = known[spec.data.target].to_numpy(dtype=object)[at[there]] if there.any() else []
    found = given[there].assign(**{spec.data.target: truth, ORDER: at[there]})
    return found.dropna(subset=[spec.data.target])


def _until(over: Event, parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for part in parts:
        if over.is_set():
            raise Unavailable("the service ends")
        yield part


def _below(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put the parts that have rows below each other."""
    some = [part for part in parts if len(part)]
    return pd.concat(some, ignore_index=True) if some else pd.DataFrame()


def _losses(said: pd.DataFrame, truth: pd.DataFrame, spec: ModelSpec, loaded: registry.Loaded) -> np.ndarray:
    """Return the loss of each answer. A class that a version does not have has no probability with it."""
    kind = "float64" if loaded.task == "regression" else loaded.pipeline.classes_.dtype
    target = truth[spec.data.target].to_numpy(dtype=kind)
    return evaluation.row_losses(loaded.task, target, evaluation.of_columns(said, loaded.task, loaded.pipeline))
