"""What `fit` is given beside the columns: answers, and the time, group and weight of each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from everfit.automl.wording import as_data_error, made
from everfit.errors import DataError
from everfit.spec import Data

Y = "y"
PARTS = {"time": "time", "groups": "group", "sample_weight": "weight"}  # what a model file calls them


def read(
    y: Any, beside: Mapping[str, Any], count: int, *, task: str | None, positive: Any
) -> tuple[pd.DataFrame, Data]:
    """Return a frame of all that is known of each row beside its columns, and which column is what."""
    if y is None:
        raise DataError("AutoML requires y to be passed, but the target y is None.")
    rows = {Y: column(y, Y, count)}
    rows |= {name: column(values, name, count) for name, values in beside.items() if values is not None}
    named = {PARTS[name]: name for name in rows if name != Y}
    positive = positive.item() if isinstance(positive, np.generic) else positive
    data = made(Data, source="", target=Y, task=_task(task, rows[Y]), positive=positive, **named)
    return pd.DataFrame(rows), data


def column(values: Any, name: str, count: int) -> pd.Series:
    """Return one value for each row; raise DataError when there are more or fewer."""
    if np.isscalar(values):
        raise DataError(f"{name} is {values!r}, and X has {count:,} row(s).", do="Give one value for each row.")
    if not isinstance(values, pd.Series):
        with as_data_error():
            values = pd.Series(column_or_1d(values, warn=True, input_name=name))
    if len(values) != count:
        what = f"X has {count:,} row(s) and {name} has {len(values):,}: inconsistent numbers of samples."
        raise DataError(what, do="Give one value for each row.")
    return pd.Series(values.reset_index(drop=True).infer_objects(), name=name)


def _task(said: str | None, y: pd.Series) -> str | None:
    if said in (None, "regression"):
        return said
    if y.dtype.kind == "f" and np.isfinite(y.dropna()).all():
        with as_data_error():
            check_classification_targets(y.dropna())
    if said != "classification":
        return said
    return "binary" if y.nunique() <= 2 else "multiclass"


def check_labels(y: pd.Series) -> None:
    """Raise DataError when classes are of several types, of which nobody knows whether 1 and '1' are one."""
    kinds = {_kind(value) for value in y.dropna().unique().tolist()}
    if len(kinds) > 1:
        what = f"The target 'y' mixes types: {', '.join(sorted(kinds))}."
        raise DataError(what, why="Nobody can tell whether 1 and '1' are one class.", do="Write all classes as text.")


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def labels(classes: np.ndarray, y: pd.Series) -> np.ndarray:
    """Return classes as they were given, where the search read them as text."""
    if classes.dtype.kind != "U":
        return classes
    values = y.dropna().unique().tolist()
    if all(isinstance(value, str) for value in values):
        return classes
    given = dict(zip(np.array(values, dtype=object).astype(str).tolist(), values, strict=True))
    back = np.empty(len(classes), dtype=object)
    back[:] = [given[text] for text in classes.tolist()]
    return back
