"""The parts of MLflow that write and read models; they bring scikit-learn and skops with them."""

import warnings

import everfit.registry.vendor  # noqa: F401  (it sets what MLflow reads as it is imported)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of type hints of its own
    import mlflow.pyfunc as pyfunc  # `from mlflow` it would be loaded, and warn, only later
    import mlflow.sklearn as sklearn

__all__ = ["pyfunc", "sklearn"]
