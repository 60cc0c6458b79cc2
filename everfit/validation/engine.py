"""The only door to Great Expectations. It runs in the worker's process and answers with plain values."""

import importlib.util
import logging
import math
import sys
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit.errors import SuiteError, first_line
from everfit.validation.catalogue import Level

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.execution_engine import pandas_execution_engine
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        Expectation,
        MulticolumnMapExpectation,
    )
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

# Every cell would be hashed for a mark that nobody here reads; that was a third of the time of a large batch.
pandas_execution_engine.hash_pandas_dataframe = lambda _frame: ""
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
MAPS = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
EXAMPLES = 5
FORMAT = {"return_unexpected_index_query": False, "partial_unexpected_count": EXAMPLES}
_imported: dict[Path, tuple[str, ...]] = {}


def custom_forms(custom: Sequence[Path]) -> list[tuple[str, str, dict[str, Any], Level]]:
    """Import the files once and describe what they registered: type, summary, JSON Schema of the kwargs, level."""
    names = [name for path in custom for name in _import(path)]
    return [_describe(name) for name in names]


def judge(
    frame: pd.DataFrame,
    calls: Sequence[tuple[str, dict[str, Any]]],
    custom: Sequence[Path],
    name_rows: Collection[int] = (),
) -> list[dict[str, Any]]:
    """Judge every call on the frame, in order. What one call raises is the error of that call alone.

    All broken rows are named for the calls whose positions are in `name_rows`, a few examples for the others.
    """
    custom_forms(custom)
    answers: dict[int, dict[str, Any]] = {}
    built = {}
    for n, (name, kwargs) in enumerate(calls):
        try:
            built[n] = get_expectation_impl(name)(**kwargs, meta={"n": n})
        except Exception as cause:  # noqa: BLE001 - whatever its class raises, the rule could not be judged
            answers[n] = {"state": "error", "why": first_line(cause)}
    batch = _batch(frame)
    answers |= _validate(batch, {n: one for n, one in built.items() if n in name_rows}, "COMPLETE")
    answers |= _validate(batch, {n: one for n, one in built.items() if n not in name_rows}, "SUMMARY")
    return [answers[n] for n in range(len(calls))]


def _batch(frame: pd.DataFrame) -> Any:
    """Make a batch in a context of its own, as contexts remember and must not be shared."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("batch").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("batch").get_batch({"dataframe": frame})


def _validate(batch: Any, built: dict[int, Any], detail: str) -> dict[int, dict[str, Any]]:
    if not built:
        return {}
    try:
        suite = gx.ExpectationSuite(name="batch", expectations=list(built.values()))
        results = batch.validate(suite, result_format={**FORMAT, "result_format": detail}).results
    except Exception as cause:  # noqa: BLE001 - one rule brought all of them down, so each is judged alone
        if len(built) == 1:
            return {n: {"state": "error", "why": first_line(cause)} for n in built}
        return {k: v for n, one in built.items() for k, v in _validate(batch, {n: one}, detail).items()}
    return {_number(result): _answer(result) for result in results}


def _number(result: Any) -> int:
    """The results come in another order than the suite, so each expectation carries its number."""
    return int(result.expectation_config.meta["n"])


def _answer(result: Any) -> dict[str, Any]:
    found = result.result or {}
    if why := _raised(result.exception_info):
        return {"state": "error", "why": why}
    answer = {
        "state": "pass" if result.success else "fail",
        "observed": _plain(found.get("observed_value")),
        "details": _plain(found.get("details")),
        "missing": int(found.get("missing_count") or 0),
        "judged": int(found.get("element_count") or 0),
    }
    if "unexpected_count" in found:
        values = found.get("unexpected_list") or found.get("partial_unexpected_list") or []
        answer["unexpected"] = int(found["unexpected_count"] or 0)
        answer["values"] = [_plain(value) for value in list(values)[:EXAMPLES]]
        listed = found.get("unexpected_index_list") or found.get("partial_unexpected_index_list") or []
        answer["rows"] = np.asarray(listed, dtype=np.int64)
    return answer


def _raised(info: dict[str, Any]) -> str:
    """Find the message in either of the two shapes in which Great Expectations tells of an exception."""
    parts = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, dict)]
    for part in parts:
        if part.get("raised_exception"):
            lines = str(part.get("exception_message") or "").strip().splitlines()
            return (lines[0] if lines else "it raised an exception without a message")[:300]
    return ""


def _plain(value: Any) -> Any:
    """Turn numpy and pandas values into JSON's; NaN and infinity become text, as JSON has neither."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "no value" if math.isnan(value) else str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return "no value" if value is pd.NaT or value is pd.NA else str(value)


def _import(path: Path) -> tuple[str, ...]:
    """Import one file and return the types that it registered."""
    if path not in _imported:
        before = _registered()
        spec = importlib.util.spec_from_file_location(f"everfit_custom_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise SuiteError(f"{path} cannot be imported.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as cause:  # noqa: BLE001 - whatever a team's file raises, it is that file that is broken
            text = f"{type(cause).__name__}: {first_line(cause)}"
            raise SuiteError(
                f"{path}{_line(cause, path)} is broken: {text}", do="Repair it, or take it away."
            ) from None
        added = tuple(name for name, form in _registered().items() if before.get(name) is not form)
        if not added:
            raise SuiteError(
                f"{path} defines no new expectation.", do="Give its class a name of its own, or take it away."
            )
        _imported[path] = added
    return _imported[path]


def _registered() -> dict[str, type[Expectation]]:
    return {name: get_expectation_impl(name) for name in sorted(list_registered_expectation_implementations())}


def _line(cause: BaseException, path: Path) -> str:
    if isinstance(cause, SyntaxError):
        return f":{cause.lineno}"
    line, trace = None, cause.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == str(path) else line
        trace = trace.tb_next
    return f":{line}" if line else ""


def _describe(name: str) -> tuple[str, str, dict[str, Any], Level]:
    form: type[Expectation] = get_expectation_impl(name)
    fields = form.__fields__
    level: Level = "row" if issubclass(form, MAPS) else "column" if "column" in fields else "table"
    properties = {key: _json_type(field) for key, field in fields.items()}
    required = [key for key, field in fields.items() if field.required]
    summary = (form.__doc__ or name).strip().splitlines()[0]
    return name, summary, {"properties": properties, "required": required}, level


def _json_type(field: Any) -> dict[str, Any]:
    """Say what a field takes; anything, when it is not one of the plain types."""
    kinds = {str: "string", float: "number", int: "integer", bool: "boolean", list: "array", dict: "object"}
    kind = kinds.get(field.outer_type_)
    return {"type": kind} if kind and field.required else {}
