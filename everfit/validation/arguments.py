"""Judge the kwargs of one expectation: their names and types, then what Great Expectations never checks."""

import math
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from everfit.errors import did_you_mean
from everfit.validation import regexes
from everfit.validation.catalogue import Form, is_type
from everfit.validation.suite import Rule

Mistake = tuple[tuple[str | int, ...], str]
NEED_A_BOUND = "_to_be_between"
NUMBERS = ("mean_", "median_", "stdev_", "sum_", "quantile_values_", "value_z_scores_", "values_to_not_be_outliers")
NEED_NUMBERS = tuple(f"expect_column_{what}" for what in NUMBERS)
NEED_ONE_KIND = tuple(f"expect_column_{what}_to_be_between" for what in ("values", "min", "max"))
COMMON_TYPES = ("int", "int64", "float", "float64", "str", "string", "bool", "object", "datetime64", "Timestamp")
FORMATS = FormatChecker(formats=())
NAMES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
}


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


for _format in ("date", "date-time"):
    FORMATS.checks(_format, raises=ValueError)(_is_moment)


def plain(value: Any) -> Any:
    """Write dates the ISO way, as YAML reads an unquoted one as a date and Great Expectations then fails on it."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def mistakes_in(kwargs: dict[str, Any], form: Form) -> Iterator[Mistake]:
    """Yield every mistake: where it stands inside the kwargs, and what is wrong."""
    wrong = list(Draft202012Validator(form.kwargs, format_checker=FORMATS).iter_errors(kwargs))
    for error in wrong:
        yield from _explain(error, form)
    yield from _bad_numbers(kwargs, ())
    if not wrong:
        yield from _bad_bounds(kwargs, form)
        yield from _bad_regexes(kwargs)
        yield from _bad_types(kwargs)
    if "row_condition" in kwargs:
        yield from _bad_condition(kwargs["row_condition"])


def misfit(rule: Rule, kind: str | None) -> str:
    """Say why a rule cannot be judged on a column of this kind; empty when it can, or the kind is not known."""
    if kind is None:
        return ""
    if kind == "string" and rule.type.startswith(NEED_NUMBERS):
        return f"{rule.type} needs numbers, and '{rule.column}' holds text"
    if rule.type not in NEED_ONE_KIND:
        return ""
    bounds = [rule.kwargs.get(key) for key in ("min_value", "max_value")]
    if kind in ("string", "timestamp") and any(isinstance(bound, int | float) for bound in bounds):
        return f"the bounds are numbers, and '{rule.column}' holds {'text' if kind == 'string' else 'times'}"
    if kind in ("number", "boolean") and any(isinstance(bound, str | dict) for bound in bounds):
        return f"the bounds are dates, and '{rule.column}' holds {'numbers' if kind == 'number' else 'true and false'}"
    return ""


def _bad_types(kwargs: dict[str, Any]) -> Iterator[Mistake]:
    named: list[tuple[tuple[str | int, ...], Any]] = [(("type_",), kwargs.get("type_"))]
    named += [(("type_list", n), name) for n, name in enumerate(kwargs.get("type_list") or ())]
    for at, name in named:
        if isinstance(name, str) and not is_type(name):
            yield at, f"there is no type '{name}'.{did_you_mean(name, COMMON_TYPES)}"


def _explain(error: ValidationError, form: Form) -> Iterator[Mistake]:
    at = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and not at:
        known = form.kwargs["properties"]
        for key in set(error.instance) - set(known):
            yield (key,), f"{form.type} has no '{key}'.{did_you_mean(str(key), known)}"
    elif error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        yield at, f"{form.type} needs {' and '.join(missing)}"
    elif at and at[0] == "row_condition":
        yield (
            at,
            "row_condition as text is code, and a suite is data; write it as a mapping: type, column, operator, ...",
        )
    else:
        yield at, f"{'.'.join(map(str, at))} cannot be {_short(error.instance)}; it is {_wanted(error.schema)}"


def _wanted(schema: Any) -> str:
    """Describe what a JSON Schema allows, for people."""
    if not isinstance(schema, dict):
        return "something else"
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        options = dict.fromkeys(_wanted(part) for part in schema["anyOf"] if part.get("type") != "null")
        return " or ".join(options)
    if "format" in schema:
        return "a date such as 2024-01-31 or 2024-01-31T08:00:00"
    if "$PARAMETER" in schema.get("properties", {}):
        return "{$PARAMETER: now + 1d}"
    kinds = schema.get("type")
    names = [
        NAMES.get(kind, "a mapping") for kind in ([kinds] if isinstance(kinds, str) else kinds or []) if kind != "null"
    ]
    limits = [f"at least {schema['minimum']}"] if "minimum" in schema else []
    limits += [f"at most {schema['maximum']}"] if "maximum" in schema else []
    limits += ["not empty"] if schema.get("minItems") or schema.get("minLength") else []
    return ", ".join([" or ".join(names) or "something else", *limits])


def _bad_numbers(value: Any, at: tuple[str | int, ...]) -> Iterator[Mistake]:
    if isinstance(value, float) and not math.isfinite(value):
        yield at, f"{'.'.join(map(str, at))} is {value}, which compares with nothing; leave the bound out instead"
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _bad_numbers(part, (*at, key))


def _bad_bounds(kwargs: dict[str, Any], form: Form) -> Iterator[Mistake]:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if form.type.endswith(NEED_A_BOUND) and "min_value" in form.kwargs["properties"] and low is None and high is None:
        yield (), f"{form.type} needs min_value, max_value or both; with neither it passes any data"
    if (problem := _crossed(low, high)) or (low is not None and low == high and _strict(kwargs)):
        yield ("min_value",), problem or f"no value is strictly between {low} and {high}"
    ranges = kwargs.get("quantile_ranges") or {"quantiles": [], "value_ranges": []}
    if len(ranges["quantiles"]) != len(ranges["value_ranges"]):
        yield ("quantile_ranges",), "quantiles and value_ranges must be equally many"
    for n, pair in enumerate(ranges["value_ranges"]):
        if problem := _crossed(*pair):
            yield ("quantile_ranges", "value_ranges", n), problem


def _crossed(low: Any, high: Any) -> str:
    if isinstance(low, str) and isinstance(high, str):
        crossed = datetime.fromisoformat(low).replace(tzinfo=None) > datetime.fromisoformat(high).replace(tzinfo=None)
    elif isinstance(low, int | float) and isinstance(high, int | float):
        crossed = low > high
    elif isinstance(low, dict | None) or isinstance(high, dict | None):
        return ""
    else:
        return f"one bound is a number and the other a date: {low} and {high}"
    return f"min {low} is above max {high}" if crossed else ""


def _strict(kwargs: dict[str, Any]) -> bool:
    return bool(kwargs.get("strict_min") or kwargs.get("strict_max"))


def _bad_regexes(kwargs: dict[str, Any]) -> Iterator[Mistake]:
    if isinstance(pattern := kwargs.get("regex"), str) and (problem := regexes.trouble(pattern)):
        yield ("regex",), f"the pattern {_short(pattern)} {problem}"
    for n, pattern in enumerate(kwargs.get("regex_list") or ()):
        if problem := regexes.trouble(pattern):
            yield ("regex_list", n), f"the pattern {_short(pattern)} {problem}"
    for pattern in _patterns(kwargs.get("json_schema")):
        if problem := regexes.trouble(pattern):
            yield ("json_schema",), f"the pattern {_short(pattern)} {problem}"


def _patterns(schema: Any) -> Iterator[str]:
    """Yield the patterns that a JSON Schema holds, also as keys of patternProperties."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        keyed = schema.get("patternProperties")
        yield from keyed if isinstance(keyed, dict) else ()
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for part in parts:
        yield from _patterns(part)


def _bad_condition(condition: Any, at: tuple[str | int, ...] = ("row_condition",)) -> Iterator[Mistake]:
    """Great Expectations writes conditions into `DataFrame.query`, so only what cannot leave its quotes may pass."""
    if not isinstance(condition, dict):
        return
    kind = condition.get("type")
    if kind in ("and", "or"):
        for n, part in enumerate(condition.get("conditions") or ()):
            yield from _bad_condition(part, (*at, "conditions", n))
        return
    column = condition.get("column")
    name = column.get("name") if isinstance(column, dict) else None
    if kind not in ("comparison", "nullity"):
        yield at, f"a row_condition cannot be of type {kind!r}; it is one of comparison, nullity, and, or"
    elif not isinstance(name, str):
        yield at, "a row_condition names its column as column: {name: age}"
    elif "`" in name:
        yield at, f"the column {_short(name)} has a backtick, which could carry code; rename it in the source"
    elif kind == "nullity" and not isinstance(condition.get("is_null"), bool):
        yield at, "a condition of type nullity needs is_null: true or false"
    elif kind == "comparison":
        yield from _bad_comparison(condition, at)


def _bad_comparison(condition: dict[str, Any], at: tuple[str | int, ...]) -> Iterator[Mistake]:
    operators = ("==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN")
    operator, parameter = condition.get("operator"), condition.get("parameter")
    if operator not in operators:
        yield at, f"operator cannot be {operator!r}; it is one of {', '.join(operators)}"
    values = parameter if isinstance(parameter, list) else [parameter]
    if isinstance(parameter, list) != (operator in ("IN", "NOT_IN")):
        yield at, "IN and NOT_IN take a list as parameter, every other operator one value"
    if not values or any(not isinstance(v, str | int | float) or (isinstance(v, str) and "`" in v) for v in values):
        yield at, "parameter must be a number or a text without backticks"


def _short(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
