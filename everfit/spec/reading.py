"""Read model files, and tell every mistake with its line."""

import re
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from everfit import documents
from everfit.errors import InputError, SpecError, did_you_mean
from everfit.references import secret_in
from everfit.spec.model import ModelSpec

SCHEMA_ID = "everfit-model.schema.json"


def load_spec(name: str, folder: Path) -> ModelSpec:
    """Read and check `folder/<name>.yaml`; raise InputError or SpecError, with every mistake and its line."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = model_names(folder)
        hint = did_you_mean(name, known) if known else ""
        raise InputError(
            f"There is no model '{name}': {path} does not exist.{hint}",
            do=f"everfit new {name} --data FILE --target COLUMN writes one.",
        )
    document = documents.read(path, SpecError)
    spec = parse_spec(document)
    if spec.name != name:
        raise SpecError(f"{path} says name: {spec.name}, and its file name says {name}; they must be the same.")
    return spec


def parse_spec(document: documents.Document) -> ModelSpec:
    """Check a document that was read; raise SpecError with every mistake and its line."""
    if not isinstance(document.data, dict):
        raise SpecError(f"{document.path} holds no model: it must be a mapping with at least name and data.")
    try:
        return ModelSpec.model_validate(document.data)
    except ValidationError as cause:
        problems = [_explain(error, document) for error in cause.errors()]
        raise SpecError(
            f"{document.path} has {len(problems)} mistake(s).",
            details=problems,
            do="`everfit schema` prints what a model file may say.",
        ) from cause


def model_names(folder: Path) -> list[str]:
    """Return the names of all model files in a folder, sorted; what an editor hides there is none."""
    return sorted(path.stem for path in folder.glob("[!.]*.yaml"))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a model file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ModelSpec.model_json_schema()}


def _explain(error: Any, document: documents.Document) -> str:
    keys = tuple(key for key in error["loc"] if _in_file(key))
    where = f"{document.place(keys)}: {'.'.join(map(str, keys)) or 'the file'}"
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such key.{did_you_mean(str(keys[-1]), _fields_at(keys[:-1]))}"
    if error["type"] == "missing":
        return f"{where}: this is needed and missing."
    hidden = isinstance(error["input"], dict | list) or secret_in(str(error["input"]))
    said = "" if hidden else f" (it says {error['input']!r})"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}{said}."


def _in_file(key: str | int) -> bool:
    """Leave out the names that pydantic gives to the branches of a union."""
    return not (isinstance(key, str) and re.search(r"[\[\]()]|^(str|float|timedelta|SqlSource|constrained.*)$", key))


def _fields_at(keys: tuple[str | int, ...]) -> list[str]:
    part: Any = ModelSpec
    for key in keys:
        field = getattr(part, "model_fields", {}).get(str(key))
        if field is None:
            return []
        options = (field.annotation, *get_args(field.annotation))
        part = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return list(getattr(part, "model_fields", {}))
