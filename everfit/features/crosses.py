"""Categories made of two columns each: a level for every pair of levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from everfit.features.columns import ByColumn
from everfit.features.lineage import SIGNS


class Crosses(ByColumn):
    """Join the levels of two columns for each of the `pairs` of positions; nothing is learnt.

    A gap on one side is a level like any other; on both sides it is a gap. Encoders come after this one, and know
    which joint levels are rare or new.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        self.pairs = pairs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing but the names of columns."""
        self._remember(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return one column of joint levels, as text, for each pair."""
        columns = [[_text(value) for value in column] for column in self._columns(X)]
        joint = [[_join(*both) for both in zip(columns[one], columns[two], strict=True)] for one, two in self.pairs]
        return np.array(joint, dtype=object).reshape(len(joint), X.shape[0]).T

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return `one × two`."""
        names = self._names(input_features)
        return np.asarray([f"{names[one]} {SIGNS['cross']} {names[two]}" for one, two in self.pairs], dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or value != value else str(value)


def _join(one: str, two: str) -> Any:
    return f"{one} & {two}" if one or two else np.nan
