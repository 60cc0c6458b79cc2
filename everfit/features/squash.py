"""Numbers for linear models: filled, centred, scaled, and with outliers bent towards the rest."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from everfit.features.columns import ByColumn
from everfit.features.numbers import finite

BEND = 3.0  # scaled values approach this and never pass it


class Squash(ByColumn):
    """Scale by median and quartiles, then bend smoothly; missing values become the median, and a flag if fit saw any.

    One absurd value moves neither the scale nor the model, which is why this is not a standard scaler.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn median and spread of each column, and which columns have gaps."""
        self._remember(X)
        values = finite(np.asarray(X))
        self.center_, self.scale_, self.gaps_ = [], [], []
        for at in range(values.shape[1]):
            present = values[:, at][~np.isnan(values[:, at])]
            low, middle, high = np.quantile(present, (0.25, 0.5, 0.75)) if len(present) else (0.0, 0.0, 0.0)
            spread = (high - low) / 1.35 or (float(np.std(present)) if len(present) else 0.0)
            self.center_.append(float(middle))
            self.scale_.append(float(spread) if np.isfinite(spread) and spread > 0 else 1.0)
            if len(present) < len(values):
                self.gaps_.append(at)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return values within ±3, then one flag for each column that had gaps."""
        values = finite(np.asarray(X))
        if values.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {values.shape[1]} features, Squash expects {self.n_features_in_}.")
        absent = np.isnan(values)
        scaled = (values - np.asarray(self.center_)) / np.asarray(self.scale_)
        scaled = np.where(absent, 0.0, scaled / np.sqrt(1.0 + (scaled / BEND) ** 2))
        return np.hstack([scaled, absent[:, self.gaps_].astype("float64")])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, then `name[missing]` for the flags."""
        names = self._names(input_features)
        return np.asarray([*names, *(f"{names[at]}[missing]" for at in self.gaps_)], dtype=object)
