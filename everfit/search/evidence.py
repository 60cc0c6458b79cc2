"""What a set of columns is worth: a quick model learns from one part of the rows and is judged on another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from everfit.features import Derived, Plan, encoder
from everfit.search.estimators import Rows
from everfit.search.estimators.lightgbm import LightGBM
from everfit.search.matrices import Matrices
from everfit.search.predicted import predict, to_array
from everfit.search.tasks import Problem

ROUNDS = 120
NOISE = "[noise]"  # what the gains of columns that say nothing go by
LEAST = 1e-6  # probability


@dataclass(frozen=True)
class Weighed:
    """What a model of one fold gained by splits on each column, and its loss on each row that it did not learn from."""

    gains: dict[str, float]
    losses: np.ndarray


def weigh(
    matrices: Matrices, at: int, derived: Sequence[Derived], without: Collection[str] = (), noise: int = 0
) -> Weighed:
    """Fit LightGBM on a fold with some derived columns more, some raw ones less, and so many columns of noise.

    The gain of noise is that of its best column: what a column gains that says nothing.
    """
    problem, owners, parts = matrices.problem, list[str](), list[tuple[np.ndarray, np.ndarray]]()
    train, valid = matrices.sides("tree", at)
    names = _owners(matrices, at)
    stays = np.array([name not in without for name in names], dtype=bool)
    owners += [name for name in names if name not in without]
    parts.append((train.X[:, stays], valid.X[:, stays]))
    for each in derived:
        parts.append(_made(matrices, at, each))
        owners += [each.name] * parts[-1][0].shape[1]
    if noise:
        chance = np.random.default_rng(at)
        parts.append((chance.normal(size=(len(train.y), noise)), chance.normal(size=(len(valid.y), noise))))
        owners += [NOISE] * noise
    learn, judge = (np.hstack(side, dtype="float32", casting="same_kind") for side in zip(*parts, strict=True))
    return _fitted(problem, replace(train, X=learn), replace(valid, X=judge), owners)


def _owners(matrices: Matrices, at: int) -> list[str]:
    """Return for each column of a fold's matrix the raw column that it was made of."""
    known = {column.name for column in matrices.problem.plan.used}
    names = [str(name) for each in matrices.encoders("tree", at) for name in each.get_feature_names_out()]
    return [name if name in known else name.rpartition("[")[0] for name in names]


def _made(matrices: Matrices, at: int, derived: Derived) -> tuple[np.ndarray, np.ndarray]:
    """Return a derived column for both sides of a fold; what looks at the target looks at the rows that learn."""
    problem, frame = matrices.problem, matrices.frame()
    features, fold = encoder(Plan((), (derived,)), "tree", problem.job.task), problem.folds[at]
    learnt = features.fit_transform(frame.iloc[fold.train], problem.y[fold.train])
    return learnt, features.transform(frame.iloc[fold.valid])


def _fitted(problem: Problem, train: Rows, valid: Rows, owners: list[str]) -> Weighed:
    family, job = LightGBM(), replace(problem.job, rows=len(train.y), rounds=ROUNDS)
    params = family.defaults(job) | {"learning_rate": 0.1, "importance_type": "gain"}
    model = family.build(params, job)
    family.fit(model, params, train, job, known(valid, train, job.classifies))
    gains = dict.fromkeys(owners, 0.0)
    for name, gain in zip(owners, model.feature_importances_, strict=True):
        gains[name] = max(gains[name], float(gain)) if name == NOISE else gains[name] + float(gain)
    said = to_array(predict(model, valid.X, job.task, problem.positive), problem.classes)
    return Weighed(gains, _losses(problem, said, valid))


def known(valid: Rows, train: Rows, classifies: bool) -> Rows | None:
    """Return the validation rows that early stopping can use: those of classes that were learnt."""
    if not classifies:
        return valid
    learnt = np.isin(valid.y, np.unique(train.y))
    if learnt.all():
        return valid
    return valid.take(learnt) if learnt.any() else None


def _losses(problem: Problem, said: np.ndarray, rows: Rows) -> np.ndarray:
    if problem.classes is not None:
        each = -np.log(np.maximum(said[np.arange(len(said)), np.searchsorted(problem.classes, rows.y)], LEAST))
    else:
        each = np.abs(said - rows.y) if problem.job.metric in ("mae", "mape") else np.square(said - rows.y)
    return np.asarray(each if rows.weight is None else each * rows.weight, dtype="float64")
