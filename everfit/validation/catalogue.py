"""What Great Expectations can say about a table, read from the catalogue in its wheel.

The catalogue is JSON, so that nothing here imports Great Expectations, which takes six seconds. What it says wrongly
or not at all about tables in memory is corrected here, each correction with its reason.
"""

import json
import runpy
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pandas.api.types import pandas_dtype

from everfit.errors import Unavailable

Level = Literal["row", "column", "table"]

# Every expectation has these; a suite says them beside the kwargs, or not at all.
OWN_KEYS = {"id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content", "windows"}
OWN_KEYS |= {"batch_id", "severity", "metadata", "library_metadata"}
# The catalogue calls it SQL only, and its text says pandas; it works.
PANDAS_TOO = frozenset({"expect_column_values_to_be_in_type_list"})
# These look at the type of the whole column, so they can name no row.
NO_ROWS = frozenset({"expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"})
LEVELS: dict[str, Level] = {"Column Map": "row", "Column Pair Map": "row", "Multicolumn Map": "row", "Batch": "table"}
# Registered by Great Expectations, and absent from its catalogue; each is like not_be_null with one more argument.
ABSENT: dict[str, tuple[str, dict[str, Any]]] = {
    "dateutil_parseable": ("values that dateutil reads as a date", {}),
    "json_parseable": ("values that are JSON", {}),
    "increasing": ("values that never fall", {"strictly": {"type": "boolean"}}),
    "decreasing": ("values that never rise", {"strictly": {"type": "boolean"}}),
    "match_json_schema": ("JSON values that match a JSON Schema", {"json_schema": {"type": "object"}}),
}
NOW = {
    "type": "object",
    "properties": {"$PARAMETER": {"type": "string", "pattern": r"^now( [+-] \d+(\.\d+)?[smhdw])?$"}},
    "required": ["$PARAMETER"],
    "additionalProperties": False,
    "description": "The moment of the run, such as {$PARAMETER: now + 1d}.",
}
BOUNDS = ("min_value", "max_value")
TYPES = {"list", "dict", "tuple", "set", "bytes", "None", "NoneType", "date", "datetime", "Decimal", "Timedelta"}
TYPES |= {"String", "StringDtype", "object_", "str_", "bool_", "CategoricalDtype", "DatetimeTZDtype", "BooleanDtype"}
SCALAR = {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True)
class Form:
    """One type of expectation: what its kwargs may be, and what it looks at."""

    type: str
    summary: str
    kwargs: dict[str, Any]
    level: Level
    on_pandas: bool = True

    @property
    def row_level(self) -> bool:
        """Whether a failure names its rows, which is what quarantine needs."""
        return self.level == "row" and self.type not in NO_ROWS


@cache
def core() -> dict[str, Form]:
    """Return every type that comes with Great Expectations, by name."""
    folder = _folder()
    index = json.loads((folder / "index.json").read_text())["expectations"]
    forms = [_core_form(name, entry, folder) for name, entry in index.items()]
    forms += [_absent_form(ending) for ending in ABSENT]
    return {form.type: form for form in sorted(forms, key=lambda form: form.type)}


def is_type(name: str) -> bool:
    """Whether a type of values is called so in memory or in a database: exported suites list the names of both."""
    if name in TYPES or name.upper() in _types_of_databases():
        return True
    try:
        pandas_dtype(name)
    except (TypeError, ValueError):
        return False
    return True


@cache
def _types_of_databases() -> frozenset[str]:
    """Return the names that Great Expectations writes when it profiles, from a file that imports nothing."""
    listed = runpy.run_path(str(_folder().parents[2] / "core" / "profiler_types_mapping.py"))["ProfilerTypeMapping"]
    return frozenset(name.upper() for key, names in vars(listed).items() if key.endswith("_NAMES") for name in names)


def form_of(name: str, summary: str, schema: dict[str, Any], level: Level, *, on_pandas: bool = True) -> Form:
    """Make a form from the JSON Schema of an expectation class, less what every expectation has."""
    definitions = schema.get("definitions", {})
    properties = {key: _tidy(key, part) for key, part in schema["properties"].items() if key not in OWN_KEYS}
    if "QuantileRange" in definitions:
        properties["quantile_ranges"] = _quantile_ranges()
    kwargs = {
        "type": "object",
        "properties": properties,
        "required": [key for key in schema.get("required", []) if key in properties],
        "additionalProperties": False,
    }
    return Form(name, summary, kwargs, level, on_pandas)


def _folder() -> Path:
    found = find_spec("great_expectations")
    if found is None or not found.submodule_search_locations:
        raise Unavailable("Great Expectations is not installed.", do="Install everfit with its dependencies again.")
    return Path(found.submodule_search_locations[0]) / "expectations" / "core" / "schemas"


def _core_form(name: str, entry: dict[str, Any], folder: Path) -> Form:
    schema = json.loads((folder / entry["schema_file"]).read_text())
    level = LEVELS.get(schema["properties"]["metadata"]["properties"]["domain_type"].get("description"), "column")
    on_pandas = "Pandas" in entry["supported_data_sources"] or name in PANDAS_TOO
    return form_of(name, entry["short_description"], schema, level, on_pandas=on_pandas)


def _absent_form(ending: str) -> Form:
    verb = "" if ending.startswith("match") else "be_"
    summary, more = ABSENT[ending]
    properties = {
        "column": {"type": "string", "minLength": 1},
        "mostly": _share(),
        "row_condition": _condition(),
        **more,
    }
    required = ["column", *(key for key in more if key == "json_schema")]
    kwargs = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Form(f"expect_column_values_to_{verb}{ending}", f"Expect {summary}.", kwargs, "row")


def _tidy(key: str, part: dict[str, Any]) -> dict[str, Any]:
    """Say what really works: shares finer than a percent, moments only as bounds, values of any plain type."""
    if key == "mostly":
        return _share()
    if key == "row_condition":
        return _condition()
    if key == "condition_parser":
        return {"enum": ["great_expectations", None]}
    if key == "value_set":
        return {"type": "array", "items": SCALAR, "minItems": 1, "description": "The values to compare with."}
    if key == "value_pairs_set":
        return {"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 2}, "minItems": 1}
    if key in ("column_list", "column_set"):
        return {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "Names of columns."}
    options = [option for option in part.get("anyOf", []) if option != {"type": "object"}]
    if not options:
        return {name: value for name, value in part.items() if name != "title"}
    if key in BOUNDS and any("format" in option for option in options):
        options.append(NOW)
    kept = {name: value for name, value in part.items() if name in ("description", "default")}
    return {**kept, "anyOf": [*options, {"type": "null"}]}


def _share() -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": 1, "description": "The share of rows that must agree."}


def _condition() -> dict[str, Any]:
    return {"type": ["object", "null"], "description": "A structured condition; text would be code and is refused."}


def _quantile_ranges() -> dict[str, Any]:
    number = {"type": ["number", "null"]}
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "properties": {
            "quantiles": {"type": "array", "items": share, "minItems": 1},
            "value_ranges": {"type": "array", "items": pair, "minItems": 1},
        },
        "required": ["quantiles", "value_ranges"],
        "additionalProperties": False,
    }
