"""The service: requests in, answers out, each of them kept. FastAPI's routes, and what they have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from everfit.serving.answering import Refused, Service, body_of, records_of
from everfit.serving.contract import BadRecords
from everfit.serving.explaining import Aside, explain

OPEN = ("/health", "/ready", "/docs", "/openapi.json")
AGAIN = {"Retry-After": "1"}
Handler = Callable[[Request], Awaitable[Response]]


def make_app(service: Service) -> FastAPI:
    """Return the application around a service that knows its champion, its tokens and its limits."""
    aside = Aside()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing(aside):
            async with service.running():
                yield

    app = FastAPI(title=service.spec.name, lifespan=lifespan, redoc_url=None)
    app.add_api_route("/predict", guarded(service, predict(service)), methods=["POST"])
    app.add_api_route("/explain", guarded(service, explain(service, aside)), methods=["POST"])
    app.add_api_route("/invocations", guarded(service, invocations(service)), methods=["POST"])
    app.add_api_route("/model", guarded(service, about(service)), methods=["GET"])
    app.add_api_route("/metrics", guarded(service, metrics(service)), methods=["GET"])
    app.add_api_route("/health", _health, methods=["GET"])
    app.add_api_route("/ready", _ready(service), methods=["GET"])
    app.openapi = lambda: described(app, service)  # type: ignore[method-assign]
    return app


def guarded(service: Service, handler: Handler) -> Handler:
    """Let a handler answer whoever has a token, within the limits; every refusal says what to do."""

    async def answer(request: Request) -> Response:
        began, path = perf_counter(), request.url.path
        try:
            service.admit(request.headers.get("authorization", ""))
            with service.place():
                response = await handler(request)
        except Refused as refused:
            service.metrics.failed(refused.kind)
            headers = AGAIN if refused.status == 503 else {}
            return JSONResponse({"error": refused.what, **refused.facts}, refused.status, headers)
        except BadRecords as bad:
            service.metrics.failed("bad values")
            problems = [problem.__dict__ for problem in bad.problems]
            return JSONResponse({"error": str(bad), "problems": problems}, 422)
        except Exception:
            service.metrics.failed("internal")
            raise
        service.metrics.seen(path, perf_counter() - began)
        return response

    return answer


def predict(service: Service) -> Handler:
    """Answer one record, or a list of them."""

    async def handle(request: Request) -> Response:
        body = await body_of(request, service.spec.serve)
        served, answers = await service.answer(records_of(body, service.spec.serve), source="predict")
        return JSONResponse({"model": service.spec.name, "version": served.version, "predictions": answers})

    return handle


def invocations(service: Service) -> Handler:
    """Answer as MLflow's scoring server does, whose clients then work unchanged."""

    async def handle(request: Request) -> Response:
        body = await body_of(request, service.spec.serve)
        _, answers = await service.answer(records_of(from_mlflow(body), service.spec.serve), source="invocations")
        return JSONResponse({"predictions": [answer["prediction"] for answer in answers]})

    return handle


def from_mlflow(body: Any) -> list[Any]:
    """Return the records of one of MLflow's three forms; raise Refused for anything else."""
    if isinstance(body, dict):
        if isinstance(split := body.get("dataframe_split"), dict) and {"columns", "data"} <= split.keys():
            return [dict(zip(split["columns"], row, strict=False)) for row in split["data"]]
        for name in ("dataframe_records", "inputs"):
            if isinstance(found := body.get(name), list):
                return found
        if isinstance(columns := body.get("inputs"), dict) and all(isinstance(v, list) for v in columns.values()):
            return [dict(zip(columns, row, strict=False)) for row in zip(*columns.values(), strict=False)]
    raise Refused(422, "bad body", "give dataframe_split, dataframe_records or inputs, as MLflow describes them")


def about(service: Service) -> Handler:
    """Say which model answers."""

    async def handle(_: Request) -> Response:
        return JSONResponse(service.about())

    return handle


def metrics(service: Service) -> Handler:
    """Give Prometheus its text."""

    async def handle(_: Request) -> Response:
        return Response(service.measured(), media_type="text/plain; version=0.0.4")

    return handle


async def _health() -> Response:
    return JSONResponse({"status": "up", "at": datetime.now(UTC).isoformat()})


def _ready(service: Service) -> Callable[[], Awaitable[Response]]:
    async def handle() -> Response:
        served = service.follower.served
        if served is None:
            return JSONResponse({"status": "no champion answers yet", "refused": service.refused()}, 503, AGAIN)
        return JSONResponse({"status": "ready", "version": served.version})

    return handle


def described(app: FastAPI, service: Service) -> dict[str, Any]:
    """Return the OpenAPI description, with the fields of the version that answers now."""
    made = get_openapi(title=service.spec.name, version=str(service.version or 0), routes=app.routes)
    record = service.follower.served.contract.to_json_schema() if service.follower.served else {"type": "object"}
    made.setdefault("components", {}).setdefault("schemas", {})["Record"] = record
    one = {"$ref": "#/components/schemas/Record"}
    body = {"anyOf": [one, {"type": "array", "items": one, "maxItems": service.spec.serve.max_rows}]}
    for path in ("/predict", "/explain"):
        made["paths"][path]["post"]["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return made
