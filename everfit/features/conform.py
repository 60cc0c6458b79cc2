"""The first step of every model: whatever comes in leaves with the columns and types of the training."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from everfit.features import casts


class Conform(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Select, order and cast raw columns; nothing is learnt, and a row alone equals the row in a batch.

    A missing column is a column of missing values, one too many is ignored, and a value that cannot be
    read as its column's kind is missing. `kinds` maps column names to number, boolean, string or timestamp.
    """

    def __init__(self, kinds: dict[str, str], formats: dict[str, str] | None = None) -> None:
        self.kinds = kinds
        self.formats = formats

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn nothing."""
        self.n_features_in_ = len(self.kinds)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return a new frame with exactly the columns of the training."""
        if not isinstance(X, pd.DataFrame):
            raise TypeError(f"A model reads a DataFrame with named columns, and a {type(X).__name__} came.")
        frame = X if X.columns.is_unique else X.loc[:, ~X.columns.duplicated()]
        if self._all_numbers(frame):
            return frame[list(self.kinds)].astype("float64")
        formats = self.formats or {}
        columns = {
            name: casts.cast(frame[name], kind, formats.get(name, ""))
            if name in frame.columns
            else casts.missing(kind, len(frame), frame.index)
            for name, kind in self.kinds.items()
        }
        return pd.DataFrame(columns, index=frame.index)

    def _all_numbers(self, frame: pd.DataFrame) -> bool:
        """Say whether the columns are plain numbers, which are cast at once: a hundred take a millisecond, not ten."""
        dtypes: dict[Any, Any] = dict(zip(frame.columns, frame.dtypes, strict=True))
        return all(
            kind == "number" and isinstance(dtypes.get(name), np.dtype) and dtypes[name].kind in "biuf"
            for name, kind in self.kinds.items()
        )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the raw columns that the model reads."""
        return np.asarray(list(self.kinds), dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True
