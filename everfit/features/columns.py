"""What every transformer here does with its input: look at it column by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted


class ByColumn(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Remembers how many columns it saw and what they were called; says so when others come."""

    def _remember(self, X: Any) -> None:
        self.n_features_in_ = X.shape[1]
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _columns(self, X: Any) -> Iterator[np.ndarray]:
        """Yield each column as an array; raise ValueError when there are more or fewer than in fit."""
        check_is_fitted(self, "n_features_in_")
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {X.shape[1]} features, {type(self).__name__} expects {self.n_features_in_}.")
        for at in range(X.shape[1]):
            yield X.iloc[:, at].to_numpy() if isinstance(X, pd.DataFrame) else np.asarray(X)[:, at]

    def _names(self, input_features: Any) -> list[str]:
        if input_features is not None:
            return [str(name) for name in input_features]
        named = getattr(self, "feature_names_in_", None)
        return [f"x{at}" for at in range(self.n_features_in_)] if named is None else [str(name) for name in named]
