"""What is known of some classes, said of others: those of all models that answer together."""

from __future__ import annotations

from typing import Any

import numpy as np


def spread(proba: np.ndarray, known: Any, classes: Any) -> np.ndarray:
    """Return probabilities of known classes as those of all classes, both sorted; an unknown one gets none."""
    if np.array_equal(known, classes):
        return proba
    full = np.zeros((len(proba), len(classes)))
    full[:, np.searchsorted(classes, known)] = proba
    return full


def factors_of(factors: Any, known: Any, classes: Any) -> np.ndarray | None:
    """Return what each class counts when a label is said; one that was not known counts once. None stays None."""
    if factors is None or classes is None:
        return None
    counts = dict(zip(np.asarray(known).tolist(), factors, strict=True))
    return np.array([counts.get(label, 1.0) for label in np.asarray(classes).tolist()])
