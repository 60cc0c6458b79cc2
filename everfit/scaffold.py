"""Write the first model file from a look at the data; every guess is a comment that says why."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api import types
from pydantic import TypeAdapter, ValidationError

from everfit import evaluation, sources, spec, validation
from everfit.errors import InputError, did_you_mean
from everfit.features import casts
from everfit.files import replacing
from everfit.references import refuse_secret
from everfit.schema import Schema
from everfit.settings import Settings
from everfit.spec import SqlSource, TaskType

SUITE_SCHEMA = "../deployments/suite.schema.json"
MODELINE = "# yaml-language-server: $schema=../model.schema.json"
SAMPLE = 100_000
MIN_ROWS = 200  # of a batch, whose size nobody knows yet; fewer are too few for most signals
YAML_WORDS = ("true", "false", "null", "yes", "no", "on", "off")


def create(
    settings: Settings,
    name: str,
    data: str,
    target: str,
    *,
    time: str | None,
    budget: str,
    force: bool,
    query: str = "",
) -> list[Path]:
    """Write the model file, its starter suite and the schemas for editors; return the paths.

    With a `query`, `data` is the URL of its database. Raise InputError, with nothing written, when a file is there
    already or the data do not fit.
    """
    if not re.fullmatch(spec.NAME, name):
        raise InputError(
            f"'{name}' is not a name for a model.", do="Use lower-case letters, digits, - and _: bike-demand."
        )
    try:
        TypeAdapter(spec.Duration).validate_python(budget)
    except ValidationError as cause:
        raise InputError(f"--budget: {cause.errors()[0]['msg'].removeprefix('Value error, ')}.") from cause
    suite = name.replace("-", "_")
    model_path, suite_path = settings.models / f"{name}.yaml", settings.expectations / f"{suite}.yaml"
    _refuse_to_replace((model_path, suite_path), force)
    refuse_secret(data)
    source = SqlSource(url=data, query=query) if query else relative_source(data, settings.workspace)
    frame = sources.sample(source if query else data, base=settings.workspace, rows=SAMPLE)
    seen = guess(frame, target=target, time=time)
    text = write_model(name, source=source, target=target, seen=seen, suite=suite, budget=budget)
    rules = validation.draft(frame, name=suite, time=seen.time, ids=seen.ids, labels=(target,), schema=SUITE_SCHEMA)
    written = [_write(model_path, text), _write(suite_path, rules)]
    return [*written, *write_schemas(settings)]


def draft_suite(settings: Settings, name: str, data: str, *, time: str | None, force: bool) -> Path:
    """Write a suite that the data pass; raise InputError when it is there already."""
    path = settings.expectations / f"{name}.yaml"
    _refuse_to_replace((path,), force)
    frame = sources.sample(data, base=settings.workspace, rows=SAMPLE)
    return _write(path, validation.draft(frame, name=name, time=time, schema=SUITE_SCHEMA))


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas that editors complete files by: of models and of suites."""
    return {"model": spec.json_schema(), "suite": validation.json_schema()}


def write_schemas(settings: Settings) -> list[Path]:
    """Write both schemas where the modelines of model files and suites look for them."""
    folder = settings.workspace / "deployments"
    return [
        _write(folder / f"{kind}.schema.json", json.dumps(text, indent=1) + "\n") for kind, text in schemas().items()
    ]


def _refuse_to_replace(paths: tuple[Path, ...], force: bool) -> None:
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise InputError(f"{there[0]} is there already; nothing was written.", do="--force replaces it.")


def _write(path: Path, text: str) -> Path:
    """Write a whole file or none."""
    with replacing(path) as half:
        half.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True)
class Guess:
    """What a look at the data suggests, each with its reason."""

    task: TaskType
    why_task: str
    time: str | None
    why_time: str
    ids: tuple[str, ...]


def guess(frame: pd.DataFrame, *, target: str, time: str | None) -> Guess:
    """Look at a sample; raise InputError when the target or the time column is not there."""
    for column, option in ((target, "--target"), (time, "--time")):
        if column is not None and column not in frame:
            raise InputError(
                f"The data have no column '{column}'.{did_you_mean(column, map(str, frame.columns))}",
                do=f"Give {option} the name of a column.",
            )
    moments = [name for name, kind in Schema.of(frame).to_dict().items() if kind == "timestamp" and name != target]
    why_time = "splits never look ahead"
    if time is None and len(moments) == 1:
        time, why_time = moments[0], "inferred: the only column of timestamps; splits never look ahead"
    elif time is not None:
        _check_order(frame[time], time)
    ids = tuple(name for name in frame.columns if name not in (target, time) and _names_rows(frame[name]))
    evaluation.check_target(frame, spec.Data(source="", target=target, time=time))
    task = evaluation.infer_task(frame[target], spec.Data(source="", target=target))
    levels = frame[target].nunique()
    what = "numbers" if task == "regression" else "values"
    return Guess(task, f"inferred: {levels:,} different {what}", time, why_time, ids)


def _check_order(values: pd.Series, name: str) -> None:
    """Refuse numbers that no clock gives: neither whole, as years and seconds are, nor in order."""
    if casts.kind_of(values) != "number":
        return
    numbers = casts.as_number(values).dropna()
    if (numbers % 1).any() and not numbers.is_monotonic_increasing:
        raise InputError(
            f"The column '{name}' does not say when a row happened: it holds numbers such as {numbers.iloc[0]:g}, "
            "neither whole nor in order.",
            why="Later rows would judge a model that learnt from earlier ones, and it has neither.",
            do="Give --time a column of dates, or leave it out.",
        )


def write_model(name: str, *, source: str | SqlSource, target: str, seen: Guess, suite: str, budget: str) -> str:
    """Return the text of a model file."""
    time = f"  time: {_word(seen.time)}  # {seen.why_time}\n" if seen.time else ""
    ids = (
        f"  ids: [{', '.join(map(_word, seen.ids))}]  # inferred: a different value in every row\n" if seen.ids else ""
    )
    if isinstance(source, SqlSource):
        where = f"\n    url: {_word(source.url)}\n    query: {_word(source.query)}"
    else:
        where = f" {_word(source)}"
    return (
        f"{MODELINE}\n"
        f"# Every key has a description in your editor, or in `everfit schema`. After a change: everfit check {name}\n"
        f"name: {name}\n"
        'owner: ""  # who is asked when something needs a person\n'
        "data:\n"
        f"  source:{where}\n"
        f"  target: {_word(target)}\n"
        f"  task: {seen.task}  # {seen.why_task}\n"
        f"{time}{ids}"
        "  drop: []  # columns that no model may use, such as those known only after the fact\n"
        f"suites: [{suite}]  # expectations/{suite}.yaml\n"
        f"search: {{budget: {budget}}}\n"
        "evaluation: {holdout: 0.2}  # rows that prove a model good; the search never sees them\n"
        "promotion: {approval: auto}  # manual: a person says `everfit promote`\n"
        f"monitor: {{min_rows: {MIN_ROWS}}}  # a batch of fewer is not judged for drift; say at most what yours "
        "usually have. Add `every: 1h` to watch the source by itself\n"
        "retrain: {cooldown: 1d, max_per_week: 3}\n"
    )


def relative_source(given: str, workspace: Path) -> str:
    """Return a source as the model file should say it: relative to the workspace when it lies inside."""
    if "://" in given:
        return given
    path = workspace / Path(given).expanduser()
    return str(path.relative_to(workspace)) if path.is_relative_to(workspace) else str(path)


def _names_rows(values: pd.Series) -> bool:
    """Say whether a column only names rows: all different, and called an id or counting up by one."""
    if len(values) < 50 or values.isna().any() or types.is_float_dtype(values) or not values.is_unique:
        return False
    name = str(values.name).lower()
    called = name in ("id", "uuid", "guid", "index", "instant", "rownum") or name.endswith(("_id", "uuid", " id"))
    return called or (types.is_integer_dtype(values) and bool((values.diff().dropna() == 1).all()))


def _word(text: str) -> str:
    """Quote a word when YAML could read it as something else."""
    plain = text.replace("_", "").replace("/", "").replace(".", "").replace("-", "")
    if plain.isalnum() and text[0].isalpha() and text.lower() not in YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
