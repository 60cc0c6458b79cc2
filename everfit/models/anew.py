"""A member of a blend that learns again, without what was only needed to train it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning


def anew(model: Any, X: Any, y: Any, **more: Any) -> Any:
    """Return a copy of a model that learnt from other rows, with as many rounds as before.

    The search shuffles the rows of scikit-learn's networks itself; here they do. That they have not converged after the
    rounds that were found best is no mistake. What they optimised with is larger than the model, and is no part of it.
    """
    copy = clone(model)
    copy.set_params(**{path: True for path in copy.get_params() if path.rpartition("__")[2] == "shuffle"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        copy.fit(X, y, **more)
    for part in _within(copy):
        part.__dict__.pop("_optimizer", None)
    return copy


def _within(model: Any) -> Iterator[Any]:
    """Yield a model, the model that it wraps, and so on."""
    while model is not None:
        yield model
        model = getattr(model, "model", None)
