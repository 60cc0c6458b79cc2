"""The end of a search: which models answer together, and the pipeline that they make."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from everfit.features import conformer
from everfit.models.blend import Blend, Member
from everfit.models.calibrated import Rescaled
from everfit.models.tempered import Tempered
from everfit.search import blending, shelf, timing
from everfit.search.calibration import CELLS, scale_of
from everfit.search.folds import sampled
from everfit.search.matrices import ALL, load, names
from everfit.search.postprocessing import Postprocessing
from everfit.search.predicted import of_array
from everfit.search.records import OutOfFold
from everfit.search.tasks import Limits, Outcome, Problem

CALLS = 20  # of the pipeline, to time it
MOST = 0.75  # of them take no longer than what is said
BLEND = -4  # the number of the blend, which is no trial


def choose(
    problem: Problem, given: blending.Said, candidates: Sequence[Outcome], limits: Limits, until: float
) -> dict[int, float]:
    """Return the weight of each candidate in the final model, which keeps within the limits, if that can be.

    `given` is what they said.
    """
    known = {each.number: each for each in candidates}

    def price(numbers: Collection[int]) -> float:
        return price_of(problem, [known[number] for number in numbers], limits)

    return blending.choose(given, price, 1.0, until)


def price_of(problem: Problem, members: Sequence[Outcome], limits: Limits) -> float:
    """Return what members cost together; 1 is what the limits allow."""
    ms, mb = costs(problem, members)
    return max(ms / limits.ms, mb / limits.mb)


def costs(problem: Problem, members: Sequence[Outcome]) -> tuple[float, float]:
    """Return milliseconds for one row, whose columns are encoded once for each style, and megabytes."""
    styles = {problem.family(each.family).style: each.encode_ms for each in members}
    counts = [_models(problem, each) for each in members]
    ms = sum(each.model_ms * count for each, count in zip(members, counts, strict=True))
    return ms + sum(styles.values()), sum(each.model_mb * n for each, n in zip(members, counts, strict=True))


def milliseconds(made: Any, problem: Problem) -> float:
    """Return the time that a pipeline takes at most for three of four rows, one by one."""
    rows = [problem.few.iloc[[at % len(problem.few)]] for at in range(CALLS)]
    taken = [timing.milliseconds(partial(made.predict, row), 1) for row in rows]
    return float(np.quantile(taken, MOST))


def _models(problem: Problem, outcome: Outcome) -> int:
    """Return how many models' costs a candidate has."""
    return 1 if problem.refits(outcome.family) else len(outcome.folds[: outcome.bag])


def said(
    problem: Problem, folder: Path, candidates: Sequence[Outcome], folds: Sequence[int] | None = None,
    most: float = float("inf"),
) -> blending.Said:  # fmt: skip
    """Return what candidates predicted for the validation rows of folds, of all that they share, with the truth.

    At most so many rows are read, evenly spaced in each fold.
    """
    common = sorted(folds or set.intersection(*(set(each.folds) for each in candidates)))
    kept = {at: _some(len(problem.folds[at].valid), most / len(common)) for at in common}
    valid = [problem.folds[at].valid[rows] for at, rows in kept.items()]
    rows, fold = np.concatenate(valid), np.repeat(common, [len(part) for part in valid])
    weight = None if problem.weight is None else problem.weight[rows]
    arrays = {each.number: _bent(shelf.said(folder, each.number, kept), each.scale) for each in candidates}
    return blending.Said(
        arrays, problem.y[rows], weight, fold, problem.metric, problem.classes, problem.positive, problem.factors
    )


def tempered(problem: Problem, folder: Path, candidates: Sequence[Outcome]) -> list[Outcome]:
    """Return candidates that are as sure, beside each other, as what they said of rows not learnt from allows."""
    if not problem.tempers or problem.classes is None:
        return [*candidates]
    seen = [said(problem, folder, [replace(each, scale=1.0)], most=blending.ROWS) for each in candidates]
    return [
        replace(each, scale=round(scale_of(problem.classes, one.y, one.said[each.number], one.weight), 3))
        for each, one in zip(candidates, seen, strict=True)
    ]


def _bent(proba: np.ndarray, scale: float) -> np.ndarray:
    return proba if scale == 1.0 else Rescaled(scale=scale).transform(proba).astype("float32")


def _some(rows: int, most: float) -> np.ndarray:
    return sampled(rows, int(min(rows, most)), ordered=True, seed=0)


def row(problem: Problem, folder: Path, members: Sequence[Outcome], weights: Mapping[int, float]) -> Outcome:
    """Return the blend's line of the leaderboard, scored on the same rows as the trials."""
    seen = said(problem, folder, members, problem.first)
    scores = seen.scores(seen.mean(weights))
    best = max(members, key=lambda each: weights[each.number])
    score, half = float(np.nanmean(scores)), (best.high or 0.0) - (best.score or 0.0)
    shares = [
        {"family": each.family, "weight": round(weights[each.number], 4), "number": each.number,
         "models": _models(problem, each)} | ({"scale": each.scale} if each.scale != 1.0 else {}) for each in members
    ]  # fmt: skip
    ms, mb = costs(problem, members)
    return Outcome(
        BLEND, "blend", {"members": shares}, "done", scores=tuple(scores.tolist()), score=score, low=score - half,
        high=score + half, fit_seconds=sum(each.fit_seconds or 0.0 for each in members),
        model_ms=ms, model_mb=mb,
    )  # fmt: skip


def out_of_fold(problem: Problem, folder: Path, members: Sequence[Outcome], weights: Mapping[int, float],
                how: Postprocessing) -> OutOfFold:  # fmt: skip
    """Return what the members together said of rows that score a trial, of ten thousand at most."""
    seen = said(problem, folder, members, problem.first, blending.ROWS)
    mean = seen.mean(weights)
    mean = mean if how.calibrator is None else how.calibrator.transform(mean.astype("float64"))
    return OutOfFold(seen.y, of_array(mean, problem.classes, problem.positive, how.factors), seen.weight)


def pipeline(
    problem: Problem, folder: Path, members: Sequence[Outcome], weights: Mapping[int, float],
    fitted: Mapping[int, str], how: Postprocessing | None = None,
) -> Any:  # fmt: skip
    """Return the pipeline from raw columns to answers. `fitted` are files of models that were fitted on all rows.

    A member that should have been, and was not, answers with the model of its first fold.
    """
    from sklearn.pipeline import Pipeline

    parts = [part for each in members for part in _parts(problem, folder, each, weights[each.number], fitted)]
    encoders = {name: load(folder, name)[0] for part in parts for name in part[0]}
    how = how or Postprocessing()
    blend = Blend(encoders, parts, problem.classes, how.calibrator, how.factors)
    return Pipeline([("conform", conformer(problem.plan)), ("model", blend)])


def postprocessing(
    problem: Problem, folder: Path, members: Sequence[Outcome], weights: Mapping[int, float]
) -> Postprocessing:
    """Return how the members' mean is calibrated and which labels it says, by the rows that all of them spoke of."""
    if problem.classes is None:
        return Postprocessing()
    most = min(blending.ROWS, CELLS // len(problem.classes))
    return Postprocessing.of(said(problem, folder, members, most=most), weights, problem.costs)


def _parts(problem: Problem, folder: Path, outcome: Outcome, weight: float, fitted: Mapping[int, str]) -> list[Member]:
    style, number = problem.family(outcome.family).style, outcome.number
    if number in fitted:
        return [(names(problem, style, ALL), _as_sure(joblib.load(fitted[number]), outcome), weight)]
    folds = outcome.folds[: 1 if problem.refits(outcome.family) else outcome.bag]
    return [(names(problem, style, at), _as_sure(shelf.model(folder, number, at), outcome), weight / len(folds))
            for at in folds]  # fmt: skip


def _as_sure(model: Any, outcome: Outcome) -> Any:
    return model if outcome.scale == 1.0 else Tempered(model, outcome.scale)


def grown(problem: Problem, outcome: Outcome, times: float) -> dict[str, Any]:
    """Return an outcome's parameters for a fit on so many times the rows of a fold."""
    learnt = problem.family(outcome.family).grown(outcome.learnt, times) if outcome.learnt else {}
    return outcome.params | learnt


def finalists(
    problem: Problem, folder: Path, ranked: Sequence[Outcome], limits: Limits, until: float, most: int
) -> list[Outcome]:
    """Return who is worth a model on every fold: the members of the blend as it looks now, then the best others."""
    single = [replace(each, bag=1) for each in tempered(problem, folder, ranked)]
    weights = choose(problem, said(problem, folder, single, most=blending.ROWS), single, limits, until)
    members = sorted((each for each in ranked if each.number in weights), key=lambda each: -weights[each.number])
    unlike = {each.family: each for each in reversed(ranked) if each.number not in weights}
    return [*members, *sorted(unlike.values(), key=ranked.index)][:most]
