"""The OpenAPI description: the real fields, answers and refusals of the version that answers.

Fields, categories and examples come from training data, so they are shown to whoever has a token.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from everfit.serving.access import ID
from everfit.serving.answering import Service
from everfit.serving.invocations import FORMS
from everfit.serving.reading import ARROW, CSV, HEADERS, JSON
from everfit.serving.served import Served

Schema = dict[str, Any]
TOKEN = "token"  # noqa: S105 - the name of the security scheme
REFUSALS = {
    400: "The client went away, or its request is no HTTP.",
    401: "No token came, or none that is known.",
    408: "The request came in too slowly.",
    413: "The request has too many bytes, records or parts.",
    415: "The body has a media type, character set or encoding that is not read here.",
    422: "The body cannot be read, or some of its values: each problem names record, field and value.",
    503: "Too many requests at once, no champion, or nowhere to keep the answer: come again after Retry-After seconds.",
}
BAD_VALUE = {"record": 0, "field": "size", "value": "'large'", "expected": "a number, or null"}
EXAMPLES: dict[int, Schema] = {
    400: {"error": "the client went away"},
    401: {"error": "a token is needed: Authorization: Bearer ..."},
    408: {"error": "a request must arrive within 30 s"},
    413: {"error": "10,001 records came, and 10,000 may come at once"},
    415: {"error": "text/html: send application/json, in UTF-8 and not compressed"},
    422: {"error": "1 value(s) cannot be read", "problems": [BAD_VALUE]},
    503: {"error": "64 requests are under way; come again"},
}
SUMMARIES = {
    "/predict": ("Predict", "Answer one record, or a list of them. Any field may be missing or null."),
    "/explain": ("Explain", "What each field adds to the answers about a few records."),
    "/invocations": ("Predict as MLflow's server does", "All forms of MLflow's protocol; `params` change nothing."),
    "/model": ("The model", "Which version answers, from which data it learnt, and how good it was."),
    "/metrics": ("Metrics", "Latency, throughput, errors by kind, version and log, for Prometheus."),
    "/version": ("MLflow's version", "Of the MLflow that the model was registered with."),
    "/health": ("Alive", "Whether the process runs."),
    "/ready": ("Ready", "Whether a champion is loaded, checked and warmed up."),
    "/ping": ("Ready, as MLflow's server says it", "The same as /ready."),
}  # fmt: skip
ASKING, OPEN = ("/predict", "/explain", "/invocations"), ("/health", "/ready", "/ping")
ABOUT = (
    "A token is needed: press Authorize, then load the page again to see the model's fields."
    " Answers carry an id by which labels can come later."
)


def described(app: FastAPI, service: Service, served: Served | None) -> Schema:
    """Return the description; without a version, that of any model, which gives nothing of the data away."""
    made = get_openapi(title=app.title, version=f"v{served.version}" if served else "any", routes=app.routes)
    made["info"]["description"] = ABOUT if service.tokens else ABOUT[ABOUT.index("Answers") :]
    made["components"] = {"schemas": _schemas(service, served), "headers": {}, "securitySchemes": {}}
    if service.tokens:
        made["components"]["securitySchemes"] = {TOKEN: {"type": "http", "scheme": "bearer"}}
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            operation |= _operation(path, method, _example(served), guarded=bool(service.tokens) and path not in OPEN)
    return made


def _operation(path: str, method: str, example: Schema, *, guarded: bool) -> Schema:
    summary, description = SUMMARIES.get(path, (path.strip("/").capitalize(), ""))
    tag = "Predictions" if path in ASKING else "Service"
    said: Schema = {"summary": summary, "description": description, "tags": [tag],
                    "operationId": f"{method}_{path.strip('/')}", "responses": _responses(path, guarded)}  # fmt: skip
    if path == "/explain":
        said["parameters"] = [TOP]
    if path in ("/predict", "/explain"):
        said["requestBody"] = _body({JSON: _ref("Records"), ARROW: BINARY}, example)
    if path == "/invocations":
        said["requestBody"] = _body({JSON: _ref("Invocation"), CSV: {"type": "string"}, ARROW: BINARY},
                                    {"dataframe_records": [example]})  # fmt: skip
    return said | ({"security": [{TOKEN: []}]} if guarded else {})


TOP: Schema = {"name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 10},
               "description": "How many contributions to show one by one."}  # fmt: skip
BINARY: Schema = {"type": "string", "format": "binary"}
ANSWERS: dict[str, tuple[str, Schema]] = {
    "/predict": (JSON, {"$ref": "#/components/schemas/Answer"}),
    "/explain": (JSON, {"$ref": "#/components/schemas/Explained"}),
    "/invocations": (JSON, {"$ref": "#/components/schemas/Predictions"}),
    "/metrics": ("text/plain", {"type": "string"}),
    "/version": ("text/plain", {"type": "string"}),
}


def _responses(path: str, guarded: bool) -> Schema:
    media, schema = ANSWERS.get(path, (JSON, {"type": "object"}))
    content = {media: {"schema": schema}} | ({ARROW: {"schema": BINARY}} if path == "/predict" else {})
    headers = {ID: {"description": "The id of the request.", "schema": {"type": "string"}}}
    found: Schema = {"200": {"description": "The answer.", "headers": headers, "content": content}}
    statuses = [503] if path != "/health" else []
    statuses += [400, 408, 413, 415, 422] if path in ASKING else []
    for status in sorted([*statuses, *([401] if guarded else [])]):
        more = {name: {"schema": {"type": "string"}} for name in HEADERS.get(status, {}) if name != "Connection"}
        said = {"schema": _ref("Refusal"), "example": EXAMPLES[status]}
        found[str(status)] = {"description": REFUSALS[status], "headers": headers | more, "content": {JSON: said}}
    if path in ("/ready", "/ping"):
        found["503"]["content"] = {JSON: {"schema": {"type": "object"}}}
    return found


def _body(content: Schema, example: Schema) -> Schema:
    made = {media: {"schema": schema} for media, schema in content.items()}
    made[JSON]["example"] = example
    return {"required": True, "content": made}


def _schemas(service: Service, served: Served | None) -> Schema:
    record = served.contract.to_json_schema() if served else {"type": "object"}
    several = {"type": "array", "items": _ref("Record"), "minItems": 1, "maxItems": service.spec.serve.max_rows}
    text, number = {"type": "string"}, {"type": "integer"}
    problem = _object({"record": number, "field": text, "value": text, "expected": text})
    return {
        "Record": record,
        "Records": {"anyOf": [_ref("Record"), several]},
        "Invocation": _invocation(several),
        "Answer": _object({"model": text, "version": number, "predictions": _list(_ref("Prediction"))}),
        "Prediction": _prediction(served),
        "Predictions": _object({"predictions": _list({}), "ids": _list(text)}),
        "Explained": _object({"model": text, "version": number, "tolerance": {"type": "number"},
                              "explanations": _list(_explanation())}),
        "Refusal": _object({"error": text}, {"problems": _list(problem)}),
    }  # fmt: skip


def _invocation(records: Schema) -> Schema:
    columns = {"type": "object", "additionalProperties": {"type": "array"}}
    names = {"type": "array", "items": {"type": "string"}}
    split = _object({"columns": names, "data": _list({"type": "array"})}, {"index": {"type": "array"}})
    forms = {"dataframe_split": split, "dataframe_records": records,
             "inputs": {"anyOf": [records, columns]}, "instances": {"anyOf": [records, columns]}}  # fmt: skip
    params: Schema = {"params": {"type": ["object", "null"]}}
    return {"oneOf": [_object({name: forms[name]}, params) for name in FORMS]}


def _prediction(served: Served | None) -> Schema:
    card = served.loaded.card if served else {"classes": None}
    said: Schema = {"type": ["number", "null"]} if served and card["classes"] is None else {}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    shares = {"type": "object", "additionalProperties": share}
    if card["classes"]:
        said = {"enum": [*card["classes"], None]}
        shares = {"type": "object", "properties": {str(label): share for label in card["classes"]}}
    return _object({"id": {"type": "string", "description": "Labels are joined by it."}, "prediction": said},
                   {"probabilities": shares, **_held_back()})  # fmt: skip


def _held_back() -> Schema:
    reason = _object({"kind": {"type": "string"}}, {"field": {"type": "string"}, "usual": {"type": "string"}})
    return {"abstained": {"type": "boolean"}, "reasons": _list(reason)}


def _explanation() -> Schema:
    text, number = {"type": "string"}, {"type": "number"}
    part = _object({"field": text, "contribution": number, "error": number})
    return _object({"prediction": {}, "scale": text, "value": number, "base": number, "contributions": _list(part),
                    "others": number}, _held_back())  # fmt: skip


def _example(served: Served | None) -> Schema:
    """Return a whole record of frequent values; nobody's own."""
    return {each.name: each.example for each in served.contract.fields} if served else {}


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    return {"type": "object", "properties": required | (optional or {}), "required": list(required)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
