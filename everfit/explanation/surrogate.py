"""A shallow tree that says nearly what a model says, as rules to read, with how nearly that is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from everfit.explanation.explainer import SAMPLE, Explainer, thinned
from everfit.record import Record

DEPTH = 3
LEVELS = 8  # of a text field, the most frequent ones
SMALLEST = 0.02  # share of the rows that a rule is about
OR_MISSING = " or missing"
TREES = {False: DecisionTreeRegressor, True: DecisionTreeClassifier}
JUDGES = 3  # each third row judges the tree, which learns from the others


@dataclass(frozen=True)
class Surrogate(Record):
    """Rules, the largest first, and their fidelity on rows that they were not learnt from.

    `measure` says what the fidelity is: R2 of the model's numbers, or of its probabilities of the positive class; of
    more than two classes the share of rows of which both say the same class, where always saying the most frequent one
    has `baseline`.
    """

    rules: tuple[str, ...]
    fidelity: float
    measure: str
    baseline: float
    rows: int


@dataclass(frozen=True)
class Question:
    """A column of the tree's matrix, and how its two answers read; the threshold comes behind them if `numeric`."""

    values: np.ndarray
    low: str
    high: str
    numeric: bool = False

    def answers(self, threshold: float) -> tuple[str, str]:
        """Return how it reads not to exceed the threshold, and to exceed it."""
        behind = f" {threshold:.4g}" if self.numeric else ""
        return self.low + behind, self.high + behind


def surrogate(
    explainer: Explainer, rows: pd.DataFrame | None = None, *, hidden: Collection[str] = ()
) -> Surrogate | None:
    """Learn rules from the answers to rows that were read, some of them, by default those of the reference.

    No rule names a `hidden` field. None when there are too few rows, or no field that a rule could ask about.
    """
    rows = thinned(explainer.reference if rows is None else rows, SAMPLE)
    asked = [question for name, kind in explainer.kinds.items() if name not in hidden
             for question in _questions(name, kind, rows[name])]  # fmt: skip
    judges = np.arange(len(rows)) % JUDGES == JUDGES - 1
    if judges.sum() < 2 or not asked:
        return None
    predicted = explainer.predict(rows)
    several = predicted.classes is not None and len(predicted.classes) > 2
    y = predicted.score if predicted.score is not None else predicted.values
    X, learner = np.column_stack([each.values for each in asked]), TREES[several]
    tree = learner(max_depth=DEPTH, min_samples_leaf=SMALLEST, random_state=0).fit(X[~judges], y[~judges])
    rules = sorted(_rules(tree, asked), key=lambda rule: -rule[0])
    return Surrogate(
        tuple(f"{when}: {says} ({share:.0%} of the rows)" for share, when, says in rules),
        float(tree.score(X[judges], y[judges])),
        "agreement" if several else "R2",
        float(pd.Series(y[judges]).value_counts(normalize=True).iloc[0]) if several else 0.0,
        len(rows),
    )


def _questions(name: str, kind: str, values: pd.Series) -> Iterator[Question]:
    """Yield what may be asked about a field that was read."""
    if kind == "timestamp":
        for part, call in (("hour", "hour"), ("weekday, from 0", "dayofweek"), ("month", "month")):
            asked = getattr(values.dt, call).to_numpy(dtype="float64")
            yield Question(asked, f"{part} of {name} <=", f"{part} of {name} >", numeric=True)
    elif kind == "string":
        for level in values.value_counts().index[:LEVELS]:
            yield Question((values == level).to_numpy(dtype="float64"), f"{name} is not {level}", f"{name} is {level}")
    elif kind == "boolean":
        yield Question(values.to_numpy(), f"{name} is false", f"{name} is true")
    else:
        bounded = values.replace([np.inf, -np.inf], np.nan).to_numpy(dtype="float64")
        yield Question(bounded, f"{name} <=", f"{name} >", numeric=True)


def _rules(model: Any, asked: list[Question]) -> Iterator[tuple[float, str, str]]:
    """Yield each leaf: its share of the rows, what leads to it, and what it says."""
    tree, classes = model.tree_, getattr(model, "classes_", None)

    def walk(node: int, told: dict[tuple[int, bool], str]) -> Iterator[tuple[float, str, str]]:
        if tree.children_left[node] < 0:
            value = tree.value[node][0]
            says = f"{value[0]:.4g}" if classes is None else str(classes[int(np.argmax(value))])
            yield tree.n_node_samples[node] / tree.n_node_samples[0], " and ".join(told.values()) or "always", says
            return
        which, threshold = int(tree.feature[node]), tree.threshold[node]
        question, left = asked[which], bool(tree.missing_go_to_left[node])
        before = [text for (asks, _), text in told.items() if asks == which]
        gaps = bool(np.isnan(question.values).any()) and all(text.endswith(OR_MISSING) for text in before)
        low, high = question.answers(threshold)
        # The second answer to a question is narrower than the first, and takes its place.
        yield from walk(tree.children_left[node], told | {(which, True): low + OR_MISSING * (gaps and left)})
        yield from walk(tree.children_right[node], told | {(which, False): high + OR_MISSING * (gaps and not left)})

    yield from walk(0, {})
