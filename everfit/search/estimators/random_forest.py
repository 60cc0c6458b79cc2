"""Random forests: each tree sees its own sample of the rows."""

from __future__ import annotations

from typing import Any

from everfit.search.estimators.base import Job
from everfit.search.estimators.forests import Forest


class RandomForest(Forest):
    """The best split of a few features, in trees that see different rows."""

    name = "random_forest"
    always_samples = True

    def kind(self, job: Job) -> Any:
        """Return scikit-learn's class for the task."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        return RandomForestClassifier if job.classifies else RandomForestRegressor
