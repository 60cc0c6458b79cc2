"""What was predicted, as the columns of a table, and read back from them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from everfit.reserved import ANSWER, SHARE
from everfit.search.predicted import Predicted


def as_columns(predicted: Predicted) -> pd.DataFrame:
    """Return `prediction`, and for classification one `probability_<class>` per class."""
    said = pd.DataFrame({ANSWER: predicted.values})
    if predicted.proba is not None and predicted.classes is not None:
        for at, label in enumerate(predicted.classes):
            said[f"{SHARE}{label}"] = predicted.proba[:, at]
    return said


def of_columns(said: pd.DataFrame, task: str, model: Any) -> Predicted:
    """Read back what `as_columns` wrote. A class of the model that has no column has no probability."""
    if task == "regression":
        return Predicted(said[ANSWER].to_numpy(dtype="float64"))
    classes = model.classes_
    shares = said.reindex(columns=[f"{SHARE}{label}" for label in classes]).astype("float64").fillna(0.0)
    return Predicted(said[ANSWER].to_numpy(dtype=classes.dtype), shares.to_numpy(), classes)
