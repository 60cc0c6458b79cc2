"""A model as a folder that plain MLflow can load where everfit is not installed."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from everfit import features, models
from everfit.errors import InputError, first_line
from everfit.registry import files, trust
from everfit.registry.flavours import sklearn
from everfit.registry.records import Candidate
from everfit.registry.vendor import ColSpec, DataType, MlflowException, Model, ModelSignature, Schema

TYPES = {
    "number": DataType.double,
    "boolean": DataType.boolean,
    "string": DataType.string,
    "timestamp": DataType.datetime,
}
NEEDED = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")
OPTIONAL = {"lightgbm": "lightgbm", "catboost": "catboost", "xgboost": "xgboost-cpu"}  # by module
# In an environment that has everfit as well, the part that travels must not hide the rest of it.
TRAVELLING_INIT = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


def save(candidate: Candidate, folder: Path, model: Model) -> None:
    """Write the model's folder; raise InputError when the pipeline holds what must not be saved."""
    code = folder.with_name("everfit")
    code.mkdir()
    (code / "__init__.py").write_text(TRAVELLING_INIT)
    for package in (features, models):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, code / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        sklearn.save_model(
            candidate.pipeline,
            str(folder),
            serialization_format="skops",
            skops_trusted_types=sorted(trust.TRUSTED),
            signature=signature(candidate),
            pip_requirements=requirements(candidate),
            code_paths=[str(code)],
            mlflow_model=model,
        )
    except MlflowException as cause:
        raise _cannot_save(candidate, folder / files.MODEL, cause) from cause
    files.write_about(candidate, folder)


def signature(candidate: Candidate) -> ModelSignature:
    """Describe the columns by our own schema: any of them may be missing, and every number is a double."""
    inputs = [ColSpec(TYPES[candidate.schema[name]], name, required=False) for name in candidate.inputs]
    return ModelSignature(Schema([*inputs]), Schema([ColSpec(_answers(candidate))]))


def verify_signature(candidate: Candidate, location: str) -> None:
    """Read the stored model's signature again: MLflow can lose one without a word."""
    stored = Model.load(location).signature
    if stored != signature(candidate):
        raise RuntimeError(f"{candidate.model}: the stored signature is not the one that was given: {stored}")


def requirements(candidate: Candidate) -> list[str]:
    """Pin the distributions without which this model does not load, as they are installed here."""
    modules = {kind.__module__.partition(".")[0] for kind in _types(candidate.pipeline)}
    names = [*NEEDED, *(name for module, name in OPTIONAL.items() if module in modules)]
    return [f"{name}=={metadata.version(name)}" for name in names]


def _types(part: Any) -> set[type]:
    """Return the types of an estimator and of all estimators within it, also in its lists and mappings."""
    if isinstance(part, dict):
        return _types(list(part.values()))
    if isinstance(part, list | tuple):
        return set().union(*map(_types, part))
    if not hasattr(part, "get_params") or isinstance(part, type):
        return set()
    return {type(part)} | _types(part.get_params(deep=False))


def _answers(candidate: Candidate) -> DataType:
    if candidate.task == "regression":
        return DataType.double
    kinds = {"b": DataType.boolean, "i": DataType.long, "u": DataType.long, "f": DataType.double}
    return kinds.get(np.asarray(candidate.pipeline.classes_).dtype.kind, DataType.string)


def _cannot_save(candidate: Candidate, file: Path, cause: MlflowException) -> InputError:
    strange = trust.strange(file) if file.exists() else []
    return InputError(
        f"{candidate.model}: the trained pipeline cannot be saved: "
        + ("it holds types that are not allowed." if strange else first_line(cause)),
        details=strange,
        do="Use the families that everfit knows, or add the type to TRUSTED in everfit/registry/trust.py.",
    )
