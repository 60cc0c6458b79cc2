"""What a worker does with a task: score parameters on the folds, or fit them on all rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.pipeline import Pipeline

from everfit.errors import first_line, is_full
from everfit.features import codes, conformer, encoder
from everfit.models.answers import shares, values
from everfit.models.blend import Blend
from everfit.models.calibrated import Rescaled
from everfit.search import memory, shelf
from everfit.search.calibration import scale_of
from everfit.search.estimators import BASELINE, Family, Job, Params, Rows, scales
from everfit.search.evidence import known, weigh
from everfit.search.matrices import Matrices
from everfit.search.memory import Share
from everfit.search.predicted import Predicted, of_array, predict, to_array
from everfit.search.tasks import Outcome, Problem, Task, Whole
from everfit.search.timing import milliseconds

PROBLEM = "problem.joblib"
WHOLE = "whole.joblib"
BASE = -1  # the number of the baseline, which is no trial
BAGS = 10
CALLS = 3  # of which the quickest tells what one row takes


class Bench:
    """One worker's view of the problem: the data, and the matrices that its trials share."""

    def __init__(self, folder: Path, share: Share) -> None:
        self.folder, self.share = folder, share
        self.problem: Problem = joblib.load(folder / PROBLEM, mmap_mode="r")
        self.matrices = Matrices(self.problem, folder)

    def do(self, task: Task) -> Outcome:
        """Do a task; whatever goes wrong is its outcome."""
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kinds = {"score": self._score, "fit": self._fit, "quick": self._quick, "weigh": self._weigh}
                outcome = kinds[task.kind](task)
        except (Exception, MemoryError) as cause:  # noqa: BLE001  # a failed trial is a line of the leaderboard
            reason = type(cause).__name__ + (f": {first_line(cause)}" if str(cause) else "")
            reason = self.share.passed if memory.ran_out(cause) else reason
            outcome = Outcome(task.number, task.family, task.params, "failed", reason)
        outcome = replace(outcome, seconds=time.perf_counter() - began)
        if task.kind == "score" and not is_full(outcome.reason):
            shelf.remember(self.folder, outcome, task.folds[0])
        return outcome

    def _score(self, task: Task) -> Outcome:
        problem, family = self.problem, self.problem.family(task.family)
        scores: list[float] = []
        learnt: list[Params] = []
        seconds: list[float] = []
        costs: dict[str, Any] = {}
        spread = 0.0
        for at in task.folds:
            train, valid = self.matrices.sides(family.style, at)
            train = train.take(_few(train.y, task.rows, problem.job.classifies)) if task.rows else train
            began = time.perf_counter()
            job = self._job(family, len(train.y), task.seconds / len(task.folds))
            model = scales.build(family, task.params, job)
            learnt.append(scales.fit(family, model, task.params, train, job, known(valid, train, job.classifies)))
            seconds.append(time.perf_counter() - began)
            predicted = predict(model, valid.X, job.task, problem.positive)
            said = to_array(predicted, problem.classes)
            predicted = _judged(problem, valid, predicted, said)
            scores.append(problem.metric.score(valid.y, predicted, valid.weight))
            if at == 0:
                spread, costs = _spread(problem, valid, predicted), self._costs(family, model)
            useful = at == 0 or not problem.refits(family.name)
            size = shelf.put(self.folder, task.number, at, model if useful else None, said)
            costs.setdefault("model_mb", size)
            if _hopeless(scores, task.bar, problem.metric.greater):
                break
        learning = [task.rows or len(problem.folds[at].train) for at in task.folds]
        outcome = self._outcome(task, scores, spread, _middle(learnt), float(np.mean(seconds)))
        if outcome.status == "pruned":
            shelf.clear(self.folder, task.number, task.folds)
        return replace(outcome, rows=int(np.mean(learning)), **costs)

    def _outcome(self, task: Task, scores: list[float], spread: float, learnt: Params, seconds: float) -> Outcome:
        known = [score for score in scores if np.isfinite(score)]
        if not known:
            raise ValueError(f"{self.problem.metric.name} is not defined on the validation rows")
        score = float(np.mean(known))
        half = 2.0 * float(np.std(known, ddof=1) / np.sqrt(len(known))) if len(known) > 2 else spread
        whole = len(scores) == len(task.folds)
        why = "" if whole else f"given up after {len(scores)} of {len(task.folds)} folds"
        return Outcome(task.number, task.family, task.params, "done" if whole else "pruned", why, tuple(scores),
                       score, score - half, score + half, seconds, learnt=learnt,
                       folds=task.folds[: len(scores)])  # fmt: skip

    def _costs(self, family: Family, model: Any) -> dict[str, Any]:
        """Measure what one row takes: its features, and one model's answer."""
        encoders, one = self.matrices.encoders(family.style, 0), self.problem.few.iloc[:1]
        conform, ask = conformer(self.problem.plan), shares if self.problem.job.classifies else values
        row = np.hstack([each.transform(conform.transform(one)) for each in encoders])
        encode = milliseconds(lambda: [each.transform(conform.transform(one)) for each in encoders], CALLS)
        return {"encode_seconds": self.matrices.seconds(family.style), "encode_ms": min(encode),
                "model_ms": min(milliseconds(lambda: ask(model, row), CALLS))}  # fmt: skip

    def _fit(self, task: Task) -> Outcome:
        """Fit on all rows, or on so many of them as the task allows, evenly spaced."""
        family = self.problem.family(task.family)
        began = time.perf_counter()
        whole = self._whole()
        rows = self.matrices.whole(family.style, whole, _some(len(whole.y), task.rows))
        job = self._job(family, len(rows.y), task.seconds)
        model = scales.build(family, task.params, job)
        scales.fit(family, model, task.params, rows, job)
        path = self.folder / f"final-{task.number}.joblib"
        joblib.dump(model, path)
        seconds = time.perf_counter() - began
        ask = shares if self.problem.job.classifies else values
        ms = min(milliseconds(lambda: ask(model, rows.X[:1]), CALLS))
        return Outcome(task.number, family.name, task.params, "done", fit_seconds=seconds, model=str(path), model_ms=ms)

    def _whole(self) -> Whole:
        """Return all rows; they lie in a file of their own only where trials read a sample of them."""
        if self.problem.sampled:
            whole: Whole = joblib.load(self.folder / WHOLE, mmap_mode="r")
            return whole
        return Whole(self.matrices.frame(), self.problem.y, self.problem.weight)

    def _quick(self, task: Task) -> Outcome:
        """Fit features and model on few rows, as fast as that can be."""
        problem, family = self.problem, self.problem.family(task.family)
        rows = _few(problem.y, task.rows, problem.job.classifies)
        features = encoder(problem.plan, family.style, problem.job.task)
        X = features.fit_transform(self.matrices.frame().iloc[rows], problem.y[rows])
        weight = None if problem.weight is None else problem.weight[rows]
        job = self._job(family, len(rows), task.seconds)
        model = scales.build(family, task.params, job)
        scales.fit(family, model, task.params, Rows(X, problem.y[rows], weight), job)
        path = self.folder / f"quick-{task.number}.joblib"
        blend = Blend({"all": features}, [(["all"], model, 1.0)], problem.classes, factors=problem.costs)
        joblib.dump(Pipeline([("conform", conformer(problem.plan)), ("model", blend)]), path)
        return Outcome(task.number, family.name, task.params, "done", model=str(path))

    def _weigh(self, task: Task) -> Outcome:
        """Judge columns, rather than parameters, on one fold."""
        weighed = weigh(self.matrices, task.folds[0], **task.params)
        return Outcome(task.number, task.family, task.params, "done", learnt={"weighed": weighed})

    def _job(self, family: Family, rows: int, seconds: float) -> Job:
        categories = codes(self.problem.plan, family.style)
        return replace(self.problem.job, rows=rows, categories=categories, seconds=seconds)


def _judged(problem: Problem, valid: Rows, predicted: Predicted, said: np.ndarray) -> Predicted:
    """Return what is scored: labels as suits a metric that reads them, or probabilities as sure as they should be."""
    if problem.classes is None or not (problem.tempers or problem.factors is not None):
        return predicted
    if problem.tempers:
        scale = scale_of(problem.classes, valid.y, said, valid.weight)
        said = Rescaled(scale=scale).transform(said).astype("float32")
    return of_array(said, problem.classes, problem.positive, problem.factors)


def baseline(problem: Problem) -> Outcome:
    """Score the constant guess on the same folds; it needs no features, hence no worker."""
    began = time.perf_counter()
    scores, spread = [], 0.0
    for fold in (problem.folds[at] for at in problem.first):
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
    return Outcome(BASE, BASELINE.name, {}, "baseline", "", tuple(scores), score, low, high, 0.0,
                   seconds=seconds)  # fmt: skip


def _few(y: np.ndarray, wanted: int, classifies: bool) -> np.ndarray:
    """Return evenly spaced positions, and one of each class: a model of one class cannot be asked about two."""
    some = _some(len(y), wanted)
    return np.union1d(some, np.unique(y, return_index=True)[1]) if classifies else some


def _some(count: int, wanted: int) -> np.ndarray:
    """Return evenly spaced positions, all of them when none are asked for."""
    return np.linspace(0, count - 1, wanted).astype(int) if 0 < wanted < count else np.arange(count)


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
    return 2.26 * float(np.std(known, ddof=1) / np.sqrt(len(known))) if len(known) > 1 else 0.0
