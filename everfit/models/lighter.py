"""A smaller copy of a pipeline, for a window of few rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline

from everfit.models.blend import Blend, Member

LEAVES = ("num_leaves", "max_leaf_nodes", "max_leaves")
TREES = ("n_estimators", "iterations", "max_iter")
MOST_LEAVES, FEWEST_LEAVES = 15, 4
TREES_KEPT = 2 / 3


def lighter(pipeline: Pipeline) -> Pipeline:
    """Return an unfitted copy with half the leaves and, of a classifier, two thirds of the trees, where it has any.

    Boosted trees that are as large as for all rows learn a short window by heart; numbers less so than classes.
    """
    copy = Pipeline([(name, clone(step)) for name, step in pipeline.steps])
    model = copy.steps[-1][1]
    if isinstance(model, Blend):
        model.members = [(names, _lighter(member), weight) for names, member, weight in model.members]
    else:
        _lighter(model)
    return copy


def merged(pipeline: Pipeline) -> Pipeline:
    """Return an unfitted copy in which members that are alike are one, with the sum of their weights.

    The models that each left one fold out are alike once all learn from the same rows.
    """
    copy = Pipeline([(name, clone(step)) for name, step in pipeline.steps])
    model = copy.steps[-1][1]
    if isinstance(model, Blend):
        model.members = _merged(model.members)
    return copy


def _merged(members: Any) -> list[Member]:
    kept: dict[str, Member] = {}
    for names, model, weight in members:
        key = repr((tuple(names), type(model), sorted(map(repr, model.get_params().items()))))
        before = kept[key][2] if key in kept else 0.0
        kept[key] = (names, model, before + weight)
    return list(kept.values())


def _lighter(model: Any) -> Any:
    smaller: dict[str, Any] = {}
    for path, value in model.get_params().items():
        name = path.rpartition("__")[2]
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            continue
        if name in LEAVES and value > 0:
            smaller[path] = max(FEWEST_LEAVES, min(MOST_LEAVES, value // 2))
        elif name in TREES and is_classifier(model):
            smaller[path] = max(1, round(TREES_KEPT * value))
    return model.set_params(**smaller)
