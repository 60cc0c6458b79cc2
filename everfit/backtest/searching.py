"""The search for a first model, and those that a policy decides on, by the engine and the gate of production."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, features, search
from everfit.backtest.asked import Asked
from everfit.backtest.history import History
from everfit.search import Progress, Searched
from everfit.search.problem import answers
from everfit.spec import ModelSpec
from everfit.upkeep.losses import Floats

Winners = Sequence[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Model:
    """A model as it was searched: its pipeline, the columns that it reads, and its losses on rows that judged it.

    `seconds` are those of one core that went to its trials.
    """

    pipeline: Any
    inputs: list[str]
    losses: Floats
    winners: Winners
    family: str
    seconds: float
    score: float | None = None

    @property
    def factors(self) -> Any:
        """What each class's probability is multiplied by before the largest is the label; None for as they are."""
        return getattr(self.pipeline[-1], "factors", None)


def first(
    spec: ModelSpec, history: History, asked: Asked, folder: Path, on_progress: Callable[[Progress], None] | None = None
) -> Model:
    """Search on the warm-up; a search that was killed is gone on with. Raise BudgetSpent when it finds nothing."""
    rows = history.frame.iloc[history.sound()].reset_index(drop=True)
    found = _search(spec, history, asked, rows, folder=folder, identity=folder.parent.name, on_progress=on_progress)
    judged = found.out_of_fold
    known = np.zeros(0) if judged is None else evaluation.row_losses(history.task, judged.y, judged.predicted)
    return _model(found, known)


@dataclass(frozen=True)
class Challenge:
    """A challenger, and whether it takes over."""

    model: Model
    verdict: evaluation.Verdict


def challenge(
    spec: ModelSpec, history: History, asked: Asked, frame: pd.DataFrame, champion: evaluation.Predicted, *, name: str,
    winners: Winners,
) -> Challenge:  # fmt: skip
    """Search on what is known so far, and judge the winner beside the champion on rows that neither learnt from.

    `champion` is what it answered, when they came, to the last so many rows of `frame`; of those, the ones that the
    model file holds out judge.
    """
    parted = evaluation.split(frame, spec)
    train = frame.iloc[parted.train].reset_index(drop=True)
    found = _search(spec, history, asked, train, start=winners)
    answered = len(frame) - len(champion)
    rows = parted.test[parted.test >= answered]
    test, y = frame.iloc[rows], answers(frame[spec.data.target].iloc[rows], history.task)
    predictions = {
        "champion": champion.take(rows - answered),
        "challenger": evaluation.predict(found.best, test, history.task, history.positive),
        "dummy": evaluation.predict(_dummy(spec, history, train), test, history.task, history.positive),
    }
    verdict = _judge(spec, history, y, test, predictions, name)
    known = evaluation.row_losses(history.task, y, predictions["challenger"]) if len(y) else np.zeros(0)
    return Challenge(_model(found, known), verdict)


def _search(spec: ModelSpec, history: History, asked: Asked, frame: pd.DataFrame, **more: Any) -> Searched:
    data = spec.data
    return search.run(
        frame, frame[data.target], plan=features.plan(frame, data), task=history.task, metric=history.metric,
        spec=spec.search.model_copy(update={"trials": asked.trials, "budget": asked.budget}),
        time=evaluation.times_of(frame[data.time]) if data.time else None,
        group=frame[data.group].to_numpy() if data.group else None,
        weight=frame[data.weight].to_numpy(dtype="float64") if data.weight else None,
        positive=history.positive, gap=evaluation.gap_of(spec), **more,
    )  # fmt: skip


def _dummy(spec: ModelSpec, history: History, train: pd.DataFrame) -> Any:
    y = answers(train[spec.data.target], history.task)
    return search.constant_guess(y, task=history.task, metric=history.metric.name)


def _judge(
    spec: ModelSpec, history: History, y: np.ndarray, test: pd.DataFrame,
    predictions: dict[str, evaluation.Predicted], name: str,
) -> evaluation.Verdict:  # fmt: skip
    few = len(test) < evaluation.FEWEST_UNITS
    said = {who: each for who, each in predictions.items() if who != "champion" or not few}
    return evaluation.judge(
        history.metric, y, said, weight=test[spec.data.weight] if spec.data.weight else None,
        margin=spec.promotion.margin, stale=True, why_stale="its loss has risen, or its time is over", champion=name,
        unjudged=f"{name} has answered {len(test)} of the rows that could judge it" if few else "",
        ordered=spec.data.time is not None, groups=test[spec.data.group].to_numpy() if spec.data.group else None,
        seed=spec.search.seed,
    )  # fmt: skip


def _model(found: Searched, known: Floats) -> Model:
    spent = round(sum(found.own.values()), 3)
    return Model(found.best, list(found.plan.inputs), known, found.winners, found.family, spent, found.score)
