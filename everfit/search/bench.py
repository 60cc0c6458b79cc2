"""What a worker does with a task: score parameters on the folds, or fit them on all rows."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from everfit.errors import first_line
from everfit.features import conformer, encoder
from everfit.search.estimators import BASELINE, Params, Rows
from everfit.search.predicted import Predicted, predict
from everfit.search.tasks import Outcome, Problem, Task, Whole

PROBLEM = "problem.joblib"
WHOLE = "whole.joblib"
BASE = -1  # the number of the baseline, which is no trial
BAGS = 10


class Bench:
    """One worker's view of the problem: the data, and the matrices that its trials share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problem: Problem = joblib.load(folder / PROBLEM, mmap_mode="r")
        self.sides: dict[tuple[str, int], tuple[Rows, Rows]] = {}

    def do(self, task: Task) -> Outcome:
        """Do a task; whatever goes wrong is its outcome."""
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outcome = self._score(task) if task.kind == "score" else self._fit(task)
        except (Exception, MemoryError) as cause:  # noqa: BLE001  # a failed trial is a line of the leaderboard
            reason = type(cause).__name__ + (f": {first_line(cause)}" if str(cause) else "")
            outcome = Outcome(task.number, task.family, task.params, "failed", reason)
        return replace(outcome, seconds=time.perf_counter() - began)

    def _score(self, task: Task) -> Outcome:
        problem, family = self.problem, self.problem.family(task.family)
        scores: list[float] = []
        learnt: list[Params] = []
        seconds: list[float] = []
        first: Params = {}
        for at in range(len(problem.folds)):
            train, valid = self._sides(family.style, at)
            train = train.take(_some(len(train.y), task.rows)) if task.rows else train
            began = time.perf_counter()
            job = replace(problem.job, rows=len(train.y))
            model = family.build(task.params, job)
            learnt.append(family.fit(model, task.params, train, job, _seen(valid, train, job.classifies)))
            seconds.append(time.perf_counter() - began)
            predicted = predict(model, valid.X, job.task, problem.positive)
            scores.append(problem.metric.score(valid.y, predicted, valid.weight))
            if at == 0:
                spread = _spread(problem, valid, predicted)
                first = self._first(task, family.style, model, scores[0])
            if _hopeless(scores, task.bar, problem.metric.greater):
                break
        return self._outcome(task, scores, spread, _middle(learnt), float(np.mean(seconds)), first)

    def _outcome(
        self, task: Task, scores: list[float], spread: float, learnt: Params, seconds: float, first: Params
    ) -> Outcome:
        known = [score for score in scores if np.isfinite(score)]
        if not known:
            raise ValueError(f"{self.problem.metric.name} is not defined on the validation rows")
        score = float(np.mean(known))
        half = 2.0 * float(np.std(known, ddof=1)) / np.sqrt(len(known)) if len(known) > 2 else spread
        whole = len(scores) == len(self.problem.folds)
        why = "" if whole else f"given up after {len(scores)} of {len(self.problem.folds)} folds"
        return Outcome(task.number, task.family, task.params, "done" if whole else "pruned", why, tuple(scores),
                       score, score - half, score + half, seconds, learnt=learnt, **first)  # fmt: skip

    def _first(self, task: Task, style: Any, model: Any, score: float) -> Params:
        """Time one row, and keep the first fold's model where it could become the best so far."""
        features, encoding = joblib.load(self._path(style, 0, "encoder.joblib"))
        pipeline = self._pipeline(features, model)
        one = self.problem.frame.iloc[[0]]
        times = []
        for _ in range(3):
            began = time.perf_counter()
            pipeline.predict(one)
            times.append(1000 * (time.perf_counter() - began))
        if task.bar and not self._gain(score) > self._gain(task.bar[0]):
            return {"predict_ms": min(times), "encode_seconds": encoding}
        path = self.folder / f"model-{task.number}.joblib"
        joblib.dump(pipeline, path)
        return {"predict_ms": min(times), "encode_seconds": encoding, "model": str(path)}

    def _gain(self, score: float) -> float:
        return score if self.problem.metric.greater else -score

    def _fit(self, task: Task) -> Outcome:
        """Fit on all rows, or on so many of them as the task allows, evenly spaced."""
        problem, family = self.problem, self.problem.family(task.family)
        began = time.perf_counter()
        whole: Whole = joblib.load(self.folder / WHOLE, mmap_mode="r")
        rows = _some(len(whole.y), task.rows)
        y, weight = whole.y[rows], None if whole.weight is None else whole.weight[rows]
        features = encoder(problem.plan, family.style, problem.job.task)
        X = features.fit_transform(whole.frame.iloc[rows], y)
        job = replace(problem.job, rows=len(rows))
        model = family.build(task.params, job)
        family.fit(model, task.params, Rows(X, y, weight), job)
        path = self.folder / f"final-{task.number}.joblib"
        joblib.dump(self._pipeline(features, model), path)
        seconds = time.perf_counter() - began
        return Outcome(task.number, family.name, task.params, "done", fit_seconds=seconds, model=str(path))

    def _pipeline(self, features: Any, model: Any) -> Any:
        from sklearn.pipeline import Pipeline

        return Pipeline([("conform", conformer(self.problem.plan)), ("features", features), ("model", model)])

    def _sides(self, style: Any, at: int) -> tuple[Rows, Rows]:
        """Return a fold's matrices, made by whichever worker needs them first and mapped from disk by all."""
        if (style, at) not in self.sides:
            fold = self.problem.folds[at]
            if not self._path(style, at, "valid.npy").exists():
                self._encode(style, at)
            both = [np.load(self._path(style, at, f"{side}.npy"), mmap_mode="r") for side in ("train", "valid")]
            self.sides[style, at] = (self._rows(both[0], fold.train), self._rows(both[1], fold.valid))
        return self.sides[style, at]

    def _rows(self, X: np.ndarray, rows: np.ndarray) -> Rows:
        weight = self.problem.weight
        return Rows(X, self.problem.y[rows], None if weight is None else weight[rows])

    def _encode(self, style: Any, at: int) -> None:
        fold, frame = self.problem.folds[at], self.problem.frame
        began = time.perf_counter()
        features = encoder(self.problem.plan, style, self.problem.job.task)
        train = features.fit_transform(frame.iloc[fold.train], self.problem.y[fold.train])
        seconds = time.perf_counter() - began
        valid = features.transform(frame.iloc[fold.valid])
        for name, made in (("encoder.joblib", (features, seconds)), ("train.npy", train), ("valid.npy", valid)):
            path = self._path(style, at, name)
            part = path.with_name(f"{os.getpid()}-{path.name}")
            if name.endswith("npy"):
                np.save(part, made)
            else:
                joblib.dump(made, part)
            part.replace(path)  # whole or not there: the other worker may be waiting to map it

    def _path(self, style: str, at: int, name: str) -> Path:
        return self.folder / f"{style}-{at}-{name}"


def baseline(problem: Problem) -> Outcome:
    """Score the constant guess on the same folds; it needs no features, hence no worker."""
    began = time.perf_counter()
    scores, spread = [], 0.0
    for fold in problem.folds:
        train, valid = (
            Rows(np.zeros((len(rows), 1)), problem.y[rows], None if problem.weight is None else problem.weight[rows])
            for rows in (fold.train, fold.valid)
        )
        model = BASELINE.build({}, problem.job)
        BASELINE.fit(model, {}, train, problem.job)
        predicted = predict(model, valid.X, problem.job.task, problem.positive)
        scores.append(problem.metric.score(valid.y, predicted, valid.weight))
        spread = spread or _spread(problem, valid, predicted)
    score = float(np.nanmean(scores)) if np.isfinite(scores).any() else None
    low, high = (None, None) if score is None else (score - spread, score + spread)
    seconds = time.perf_counter() - began
    return Outcome(BASE, BASELINE.name, {}, "baseline", "", tuple(scores), score, low, high, 0.0, 0.0, 0.0, seconds)


def _some(count: int, wanted: int) -> np.ndarray:
    """Return evenly spaced positions, all of them when none are asked for."""
    return np.linspace(0, count - 1, wanted).astype(int) if 0 < wanted < count else np.arange(count)


def _seen(valid: Rows, train: Rows, classifies: bool) -> Rows | None:
    """Return the validation rows that early stopping can use: those of classes that were learnt."""
    if not classifies:
        return valid
    known = np.isin(valid.y, np.unique(train.y))
    if known.all():
        return valid
    return valid.take(known) if known.any() else None


def _middle(learnt: Sequence[Params]) -> Params:
    """Return the mean of what the folds learnt, such as the number of rounds."""
    names = dict.fromkeys(name for each in learnt for name in each)
    return {name: max(1, round(float(np.mean([each[name] for each in learnt if name in each])))) for name in names}


def _hopeless(scores: Sequence[float], bar: Sequence[float], greater: bool) -> bool:
    """Whether every fold so far is worse than the best trial's by more than that one varies from fold to fold."""
    if len(bar) < 3 or len(scores) >= len(bar):
        return False
    behind = np.asarray(bar[: len(scores)]) - np.asarray(scores)
    return bool(np.all((behind if greater else -behind) > np.std(bar)))


def _spread(problem: Problem, valid: Rows, predicted: Predicted) -> float:
    """Return half of the 95 % interval of a single score, from the scores of ten bags of its rows."""
    bag = np.random.default_rng(problem.job.seed).permutation(len(valid.y)) % BAGS
    parts = [bag == k for k in range(BAGS)]
    scores = [
        problem.metric.score(valid.y[rows], predicted.take(rows), None if valid.weight is None else valid.weight[rows])
        for rows in parts
        if rows.any()
    ]
    known = [score for score in scores if np.isfinite(score)]
    return 2.26 * float(np.std(known, ddof=1)) / np.sqrt(len(known)) if len(known) > 1 else 0.0
