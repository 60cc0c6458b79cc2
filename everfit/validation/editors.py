"""The JSON Schema of a suite file, from which editors complete and underline."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from everfit.validation import custom
from everfit.validation.catalogue import Form, core
from everfit.validation.loading import SEVERITIES

SCHEMA_ID = "everfit-suite.schema.json"


def json_schema(folder: Path | None = None) -> dict[str, Any]:
    """Return the schema of suite files, with the custom expectations of a suites folder when one is given."""
    forms = [form for form in core().values() if form.on_pandas]
    forms += custom.forms(custom.folder_of(folder)).values() if folder else []
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Suite of expectations",
        "type": "object",
        "required": ["expectations"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "description": "The same as the file's name."},
            "notes": _notes("What the suite is for, and whom to ask."),
            "max_quarantined": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.2,
                "description": "When a larger share of the rows is broken, the whole batch is refused.",
            },
            "personal": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Columns whose values no report may show.",
            },
            "expectations": {"type": "array", "minItems": 1, "items": _rule(forms)},
            "id": {},
            "meta": {},
            "suite_parameters": {},
        },
    }


def _rule(forms: Iterable[Form]) -> dict[str, Any]:
    listed = list(forms)
    return {
        "type": "object",
        "required": ["type"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": [form.type for form in listed], "description": "What is expected."},
            "kwargs": {"type": "object", "description": "Of what, and within which bounds."},
            "severity": {"enum": list(SEVERITIES), "default": "critical", "description": "critical stops the run."},
            "on_fail": {"enum": ["quarantine"], "description": "Set broken rows aside instead of stopping."},
            "notes": _notes("Why it must be so, and where the numbers come from."),
            "id": {},
            "meta": {},
            "description": {},
            "rendered_content": {},
        },
        "allOf": [_when(form) for form in listed],
    }


def _when(form: Form) -> dict[str, Any]:
    properties: dict[str, Any] = {"type": {"description": form.summary}, "kwargs": form.kwargs}
    if not form.row_level:
        properties["on_fail"] = False
    then: dict[str, Any] = {"properties": properties}
    if form.kwargs["required"]:
        then["required"] = ["kwargs"]
    return {"if": {"properties": {"type": {"const": form.type}}, "required": ["type"]}, "then": then}


def _notes(description: str) -> dict[str, Any]:
    return {"type": ["string", "array"], "items": {"type": "string"}, "description": description}
