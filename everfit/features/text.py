"""Free text as a handful of numbers: hashed pieces of words, condensed."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from everfit.features.columns import ByColumn

LEARN_FROM = 10_000  # rows: more change the components little and cost a lot


class Text(ByColumn):
    """Character pieces of each text, hashed, weighted by rarity and condensed to `parts` numbers; and its length.

    Hashing needs no vocabulary, so new words cost nothing and a misspelt one is near its neighbour.
    """

    def __init__(self, parts: int = 16, width: int = 4096) -> None:
        self.parts = parts
        self.width = width

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn weights and components from at most 10,000 evenly spaced rows."""
        self._remember(X)
        self.weights_: list[TfidfTransformer] = []
        self.components_: list[TruncatedSVD] = []
        for column in self._columns(X):
            pieces = self._pieces(column[:: max(1, len(column) // LEARN_FROM)])
            weights = TfidfTransformer(sublinear_tf=True).fit(pieces)
            svd = TruncatedSVD(self.parts, n_iter=3, random_state=0)
            with np.errstate(all="ignore"):  # texts that are all the same have no variance to explain
                svd.fit(_padded(weights.transform(pieces), self.parts))
            self.weights_.append(weights)
            self.components_.append(svd)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the components and the logarithm of the length of each text; no text is all zeros."""
        out = []
        for column, weights, svd in zip(self._columns(X), self.weights_, self.components_, strict=True):
            out.append(svd.transform(weights.transform(self._pieces(column))))
            out.append(np.log1p([[len(text) if isinstance(text, str) else 0] for text in column]))
        return np.hstack(out)

    def _pieces(self, column: np.ndarray) -> sparse.csr_matrix:
        hashing = HashingVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), n_features=self.width, alternate_sign=False, norm=None
        )
        return hashing.transform([text if isinstance(text, str) else "" for text in column])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return `column[text 1]` and so on, and `column[length]`."""
        return np.asarray(
            [
                f"{name}[{part}]"
                for name in self._names(input_features)
                for part in (*(f"text {k + 1}" for k in range(self.parts)), "length")
            ],
            dtype=object,
        )


def _padded(pieces: Any, rows: int) -> Any:
    """Add empty rows, so that there are always as many components as were asked for."""
    short = rows + 1 - pieces.shape[0]
    return sparse.vstack([pieces, sparse.csr_matrix((short, pieces.shape[1]))]).tocsr() if short > 0 else pieces
