"""Parameters instead of a model file: what they may say, and errors that speak of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from everfit.errors import DataError, EverfitError, SpecError, did_you_mean
from everfit.spec import Family, Method, Role, TaskType

TASKS = ("classification", *get_args(TaskType))
KNOWN = {"task": TASKS, "estimators": get_args(Family), "roles": get_args(Role), "method": get_args(Method),
         "space": get_args(Family)}  # fmt: skip
WORDS = {
    "data.group": "groups",
    "data.weight": "sample_weight",
    "The weight column 'sample_weight'": "sample_weight",
    "search.": "",
    "data.": "",
    "the model file": "AutoML",
}
Made = TypeVar("Made", bound=BaseModel)


def made(kind: type[Made], **said: Any) -> Made:
    """Make a part of a model file, without what is None; raise SpecError with the first mistake of each key."""
    try:
        return kind.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as cause:
        first = {error["loc"][0]: error for error in reversed(cause.errors())}
        problems = [_explain(error) for error in reversed(first.values())]
        raise SpecError(f"AutoML cannot take {problems[0]}", details=problems[1:]) from cause


def _explain(error: Any) -> str:
    key = str(error["loc"][0])
    if error["type"] == "literal_error":
        return f"{key}: {error['input']!r} is unknown.{did_you_mean(str(error['input']), KNOWN[key])}"
    value = error["input"].total_seconds() if isinstance(error["input"], timedelta) else error["input"]
    whole = ".".join(part for part in error["loc"] if isinstance(part, str) and not part.startswith("["))
    return f"{whole}={value!r}: {error['msg'].removeprefix('Value error, ')}."


@contextmanager
def as_parameters() -> Iterator[None]:
    """Let errors name parameters of AutoML, where a model file has keys."""
    try:
        yield
    except EverfitError as error:
        error.what, error.why, error.do, *details = map(_said, (error.what, error.why, error.do, *error.details))
        error.details = tuple(details)
        error.args = (error.what,)
        raise


def _said(text: str) -> str:
    for key, word in WORDS.items():
        text = text.replace(key, word)
    return text


@contextmanager
def as_data_error() -> Iterator[None]:
    """Let what scikit-learn finds wrong with rows be an error of ours, in its words."""
    try:
        yield
    except (TypeError, ValueError) as cause:
        raise DataError(str(cause)) from cause
