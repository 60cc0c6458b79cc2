"""Columns that know too much about the target. They are named, with what to do; none is ever dropped by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from everfit.features import ColumnPlan, Plan, casts, conformer, encoder

SAMPLE = 4000  # rows, evenly spaced
FEWEST = 100  # rows, and a fifth of them of the rarer class of a binary task; fewer prove nothing
ALONE = {"binary": 0.995, "multiclass": 0.98, "regression": 0.99}  # what a column may score alone
GAPS = {"binary": 0.95, "multiclass": 0.8, "regression": 0.8}  # what it may score by whether there is a value
WORDS = {"binary": "ROC AUC", "multiclass": "share of what a guess gets wrong", "regression": "R²"}
COPY = 0.99  # of the rows
LATER = 0.5  # of the rows
MICROSECONDS = 1e12  # times since 1970 in this unit are more than that, and years or days are less
DO = "If it is known only after the fact, add it to data.drop."


def leaks(
    frame: pd.DataFrame, y: pd.Series, plan: Plan, task: str, *, time: np.ndarray | None = None, do: str = DO
) -> tuple[str, ...]:
    """Return a warning for each column that copies the target, predicts it alone, or comes after the fact.

    A column predicts alone when a tree on it is nearly always right about rows that it did not learn from; it comes
    after the fact when its gaps tell the target, or when its dates lie after the row's own `time`. Texts and dates are
    not tried alone.
    """
    known = np.flatnonzero(pd.notna(y).to_numpy())
    some = known[:: -(-len(known) // SAMPLE)] if len(known) else known
    answers = _answers(y.iloc[some], task)
    if len(some) < FEWEST or (task == "binary" and min(answers.sum(), (1 - answers).sum()) < FEWEST / 5):
        return ()
    rows = conformer(plan).transform(frame.iloc[some])
    when = None if time is None else np.asarray(time)[some]
    found = {column.name: _seen(column, rows, answers, plan, task, when) for column in plan.used}
    return tuple(f"{name}: {what}. {do}" for name, what in found.items() if what)


def _answers(y: pd.Series, task: str) -> np.ndarray:
    """Return numbers for a regression, 0 and 1 for a binary task, and class numbers for several classes."""
    return casts.as_number(y).to_numpy() if task == "regression" else pd.factorize(casts.as_text(y), sort=True)[0]


def _seen(column: ColumnPlan, rows: pd.DataFrame, y: np.ndarray, plan: Plan, task: str, when: np.ndarray | None) -> str:
    """Say what is wrong with a column, the worst thing first; nothing when all is well."""
    values, gaps = rows[column.name], rows[column.name].isna().to_numpy(dtype="float64")
    if column.role == "numeric" and (said := _copy(values.to_numpy(), y, task)):
        return said
    if column.kind == "timestamp" and when is not None and not column.order and (said := _later(values, when)):
        return said
    if 0.01 < gaps.mean() < 0.99 and (score := _score(gaps[:, None], y, task)) >= GAPS[task]:
        return f"whether it has a value nearly tells the target ({WORDS[task]} {score:.3f})"
    if column.role in ("text", "date"):  # what is smooth in time is told by the rows just before and after
        return ""
    alone = encoder(replace(plan, columns=(column,), derived=()), "tree", task).fit_transform(rows, y)
    score = _score(np.nan_to_num(alone, nan=-1e30), y, task)
    return f"alone it nearly tells the target ({WORDS[task]} {score:.3f})" if score >= ALONE[task] else ""


def _copy(values: np.ndarray, y: np.ndarray, task: str) -> str:
    if task == "regression" and np.mean(np.isclose(values, y)) >= COPY:
        return "it repeats the target"
    ranks = pd.DataFrame({"value": values, "y": y}).dropna().rank()
    if task != "regression" or len(ranks) < FEWEST or ranks["value"].nunique() < FEWEST:
        return ""
    return "it rises and falls with the target" if abs(ranks["value"].corr(ranks["y"])) >= 0.9995 else ""


def _later(values: pd.Series, when: np.ndarray) -> str:
    """Say whether a date mostly lies after the moment of its row; times in a unit of their own cannot be compared."""
    known = np.abs(when[~np.isnan(when)])
    if not len(known) or np.median(known) < MICROSECONDS:
        return ""
    stamps = values.to_numpy("datetime64[us]")
    share = float(np.mean(np.where(np.isnat(stamps), np.nan, stamps.astype("int64")) > when))
    return f"it lies after the time of its row in {share:.0%} of the rows" if share > LATER else ""


def _score(X: np.ndarray, y: np.ndarray, task: str) -> float:
    """Return how well a small tree on these columns is right about the third of the rows that it did not learn."""
    kind = DecisionTreeClassifier if task == "multiclass" else DecisionTreeRegressor
    judges = np.random.default_rng(0).permutation(len(y)) % 3 == 0
    tree = kind(max_leaf_nodes=100, min_samples_leaf=2, random_state=0).fit(X[~judges], y[~judges])
    return float(SCORES[task](y[judges], tree.predict(X[judges])))


def _skill(y: np.ndarray, said: np.ndarray) -> float:
    """Return the share of a constant guess's mistakes that is avoided."""
    wrong = 1 - float(np.bincount(y).max()) / len(y)
    return 1 - float(np.mean(y != said)) / wrong if wrong else 0.0


SCORES: dict[str, Callable[[Any, Any], float]] = {"binary": roc_auc_score, "multiclass": _skill, "regression": r2_score}
