"""Several fitted models that answer as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from everfit.models.anew import anew
from everfit.models.answers import shares, values
from everfit.models.calibrated import Rescaled
from everfit.models.classes import factors_of, spread

Member = tuple[Sequence[str], Any, float]


class Blend(BaseEstimator):  # type: ignore[misc]
    """The weighted mean of what its members say.

    `encoders` are fitted transformers by name; a member is (names of the encoders whose columns it reads, fitted
    model, weight). Weights sum to one. Probabilities are averaged over `classes`; a class that a member never saw
    gets none from it. The `calibrator` (of `everfit.models.calibrated`) then bends them, and the label is the class
    whose probability, times its one of `factors`, is the largest. Without `classes` the members are regressors.
    """

    def __init__(
        self, encoders: Mapping[str, Any], members: Sequence[Member], classes: Any = None, calibrator: Any = None,
        factors: Any = None,
    ) -> None:  # fmt: skip
        self.encoders = encoders
        self.members = members
        self.classes = classes
        self.calibrator = calibrator
        self.factors = factors

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a blend that was saved before it had a calibrator, and knew only `doubt`, as well."""
        before = Rescaled(state["doubt"]) if state.get("doubt") else None
        super().__setstate__({"calibrator": before, "factors": None} | state)

    @property
    def classes_(self) -> np.ndarray:
        """The labels that columns of `predict_proba` are about."""
        if self.classes is None:
            raise AttributeError("a blend of regressors has no classes")
        return np.asarray(self.classes)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit every encoder and every member again, each as it is, on other rows; shares, calibration and factors stay.

        Where the rows have other classes than before, calibration goes, and the factor of a new class is one. Weights
        of rows count for the members; encoders do not know them.
        """
        more = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.encoders = {name: clone(encoder) for name, encoder in self.encoders.items()}
        made = {name: encoder.fit_transform(X, y) for name, encoder in self.encoders.items()}
        self.members = [
            (names, anew(model, self._matrix(names, X, made), y, **more), weight)
            for names, model, weight in self.members
        ]
        if self.classes is not None:
            self._know(np.unique(y))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the mean number, or the label, of each row."""
        if self.classes is not None:
            return np.asarray(self.classes_[self.decide(self.predict_proba(X))])
        return self._mean(X, values, (len(X),))

    def decide(self, proba: np.ndarray) -> np.ndarray:
        """Return the position of the class that is said of each row, given its probabilities."""
        return np.asarray(np.argmax(proba if self.factors is None else proba * self.factors, axis=1))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class; only classifiers have it."""
        mean = self._mean(X, self._shares, (len(X), len(self.classes_)))
        return mean if self.calibrator is None else np.asarray(self.calibrator.transform(mean))

    def _know(self, classes: np.ndarray) -> None:
        before = np.asarray(self.classes)
        if len(before) and not np.array_equal(before, classes):
            self.calibrator, self.factors = None, factors_of(self.factors, before, classes)
        self.classes = classes

    def said_of(self, made: dict[str, np.ndarray]) -> np.ndarray:
        """Return numbers, or calibrated probabilities, of rows whose columns each encoder has made already."""
        rows = len(next(iter(made.values())))
        if self.classes is None:
            return self._mean(None, values, (rows,), made)
        mean = self._mean(None, self._shares, (rows, len(self.classes_)), made)
        return mean if self.calibrator is None else np.asarray(self.calibrator.transform(mean))

    def _shares(self, model: Any, matrix: np.ndarray) -> np.ndarray:
        return spread(shares(model, matrix), np.asarray(model.classes_), self.classes_)

    def _mean(
        self, X: Any, answer: Callable[[Any, np.ndarray], Any], shape: tuple[int, ...],
        made: dict[str, np.ndarray] | None = None,
    ) -> np.ndarray:  # fmt: skip
        total, made = np.zeros(shape), made or {}
        for names, model, weight in self.members:
            total += weight * answer(model, self._matrix(names, X, made))
        return total

    def _matrix(self, names: Sequence[str], X: Any, made: dict[str, np.ndarray]) -> np.ndarray:
        """Return the columns of some encoders side by side; each is asked once."""
        for name in names:
            if name not in made:
                made[name] = self.encoders[name].transform(X)
        return made[names[0]] if len(names) == 1 else np.hstack([made[name] for name in names])

    def __sklearn_is_fitted__(self) -> bool:
        return True
