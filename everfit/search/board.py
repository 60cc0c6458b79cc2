"""The leaderboard, and the table of all trials."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from everfit.search.estimators.base import Params
from everfit.search.records import Row, Standing
from everfit.search.tasks import Outcome


def leaderboard(outcomes: Sequence[Outcome], *, greater: bool) -> tuple[Row, ...]:
    """Rank what was scored on all folds, the baseline included; then what was given up, then what failed."""
    order = {"done": 0, "baseline": 0, "pruned": 1, "timed out": 2, "failed": 2}

    def place(outcome: Outcome) -> tuple[int, float, int]:
        score = outcome.score if outcome.score is not None else 0.0
        return order[outcome.status], -score if greater else score, outcome.number

    rows, rank = [], 0
    for outcome in sorted(outcomes, key=place):
        ranked = outcome.status in ("done", "baseline") and outcome.score is not None
        rank += ranked
        rows.append(_row(outcome, rank if ranked else None))
    return tuple(rows)


def _row(outcome: Outcome, rank: int | None) -> Row:
    return Row(rank, outcome.family, outcome.score, outcome.low, outcome.high, outcome.fit_seconds,
               outcome.predict_ms, outcome.size_mb, outcome.status, outcome.reason,
               outcome.params | outcome.learnt | outcome.answers, outcome.scores)  # fmt: skip


def standings(outcomes: Sequence[Outcome], running: Sequence[str], *, greater: bool) -> tuple[Standing, ...]:
    """Return how far each family has come that was tried or is at work, the best first."""
    families: dict[str, list[Outcome]] = {name: [] for name in running}
    for each in outcomes:
        if each.number >= 0:
            families.setdefault(each.family, []).append(each)
    found = [_standing(name, tried, running.count(name), greater) for name, tried in families.items()]
    return tuple(sorted(found, key=lambda each: _worst_last(each.best, greater)))


def _standing(family: str, tried: Sequence[Outcome], running: int, greater: bool) -> Standing:
    scores = [each.score for each in tried if each.status == "done" and each.score is not None]
    best = (max if greater else min)(scores, default=None)
    failed = sum(each.status in ("failed", "timed out") for each in tried)
    return Standing(family, len(tried), failed, running, best)


def _worst_last(score: float | None, greater: bool) -> tuple[bool, float]:
    return score is None, -(score or 0.0) if greater else score or 0.0


def spent(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the seconds that each family's trials took of one core, the dearest family first."""
    families: dict[str, float] = {}
    for each in outcomes:
        if each.number >= 0:
            families[each.family] = families.get(each.family, 0.0) + each.seconds
    return dict(sorted(families.items(), key=lambda pair: -pair[1]))


def winners(chosen: Outcome, outcomes: Sequence[Outcome]) -> tuple[tuple[str, Params], ...]:
    """Return the configurations of a blend, the heaviest first, or of the one that was chosen alone."""
    members = sorted(chosen.params.get("members", []), key=lambda member: -member["weight"])
    known = {each.number: each for each in outcomes}
    best = [known[member["number"]] for member in members] or [chosen]
    return tuple((each.family, each.params) for each in best)


def trials(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row per trial in the order of their numbers; lists and mappings as JSON."""
    rows = [
        {
            "number": each.number,
            "family": each.family,
            "status": each.status,
            "score": each.score,
            "low": each.low,
            "high": each.high,
            "fit_seconds": each.fit_seconds,
            "predict_ms": each.predict_ms,
            "size_mb": each.size_mb,
            "seconds": each.seconds,
            "ended": each.ended,
            "folds": json.dumps(each.scores),
            "params": json.dumps(each.params | each.learnt),
            "reason": each.reason,
        }
        for each in sorted(outcomes, key=lambda each: each.number)
    ]
    numbers = ["score", "low", "high", "fit_seconds", "predict_ms", "size_mb", "seconds", "ended"]
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, "float64")) if rows else pd.DataFrame()
