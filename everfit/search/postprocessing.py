"""How the final model answers: how its probabilities are calibrated, and which label it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from everfit.search import calibration, decision
from everfit.search.blending import Said
from everfit.search.predicted import of_array


@dataclass(frozen=True)
class Postprocessing:
    """A calibrator with its name, and the factor of each class by which labels are said; nothing of both by default."""

    calibration: str = calibration.NONE
    calibrator: Any = None
    factors: np.ndarray | None = None

    @classmethod
    def of(cls, seen: Said, weights: Mapping[int, float], costs: np.ndarray | None) -> Postprocessing:
        """Choose by what members said of rows that they did not learn from."""
        proba = seen.mean(weights).astype("float64")
        name, calibrator = calibration.choose(seen, proba)
        proba = proba if calibrator is None else calibrator.transform(proba)
        factors = decision.choose(seen, proba, costs) if decision.applies(seen.metric, costs) else None
        return cls(name, calibrator, factors)

    def told(self, classes: np.ndarray | None, positive: Any = None) -> dict[str, Any]:
        """Return it as parameters: the probability from which the positive of two classes is said, or the factors."""
        if classes is None:
            return {}
        said: dict[str, Any] = {"calibration": self.calibration}
        if self.factors is None:
            return said
        if len(classes) > 2:
            return said | {"factors": dict(zip(map(str, classes), self.factors.round(4).tolist(), strict=True))}
        at = of_array(np.zeros((1, 2)), classes, positive).positive
        return said | {"threshold": round(float(self.factors[1 - at] / self.factors.sum()), 4)}
