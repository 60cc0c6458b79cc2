"""The search as a scikit-learn estimator, for a notebook or a script: no workspace, no Prefect, no MLflow."""

from everfit.automl.estimator import AutoML

__all__ = ["AutoML"]
