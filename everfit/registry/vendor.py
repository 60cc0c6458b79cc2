"""MLflow, imported quietly: its environment is read once, as it is imported, so it is set here first.

Whatever the registry uses of MLflow comes from this module and, what takes longer to import, from `flavours`.
"""

import logging
import os
import warnings

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "GIT_PYTHON_REFRESH": "quiet",
}.items():
    os.environ.setdefault(_name, _value)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of type hints of its own
    from mlflow.artifacts import download_artifacts
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model, ModelSignature
    from mlflow.tracking import MlflowClient
    from mlflow.types import ColSpec, DataType, Schema

for _name in ("mlflow", "alembic"):  # what goes wrong is raised; MLflow would print it as well, traceback and all
    logging.getLogger(_name).setLevel(logging.CRITICAL)

__all__ = [
    "ColSpec",
    "DataType",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "Model",
    "ModelSignature",
    "ModelVersion",
    "Param",
    "Run",
    "RunTag",
    "Schema",
    "download_artifacts",
]
