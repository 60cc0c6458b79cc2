"""What LightGBM and scikit-learn's histogram boosting share."""

from __future__ import annotations

from everfit.search.estimators.base import Family, Job, Params


class Boosting(Family):
    """Boosted trees, whose number of `rounds` is learnt by early stopping."""

    style = "tree"

    def grown(self, learnt: Params, times: float) -> Params:
        """Return more rounds for more rows, as boosting overfits later on them."""
        return learnt | {"rounds": round(learnt["rounds"] * times**0.3)}

    def quick(self, job: Job) -> Params:
        """Return the defaults for eighty rounds."""
        return self.defaults(job) | {"rounds": 80}
