"""The service: requests in, answers out, each of them kept. FastAPI's routes, and what they have in common."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from everfit.errors import Unavailable, first_line
from everfit.serving.about import about
from everfit.serving.access import FACTS, Watched
from everfit.serving.answering import Service, aside
from everfit.serving.answers import Answers
from everfit.serving.arrow import from_arrow, to_arrow
from everfit.serving.contract import BadRecords
from everfit.serving.description import described
from everfit.serving.explaining import Explaining, Handler, explain
from everfit.serving.invocations import from_csv, from_mlflow
from everfit.serving.page import FILES, PAGE
from everfit.serving.reading import ARROW, CSV, HEADERS, JSON, Parse, Refused, records
from everfit.serving.served import Served

RECORDS: dict[str, Parse] = {JSON: records, ARROW: from_arrow}
INVOCATIONS: dict[str, Parse] = {JSON: from_mlflow, CSV: from_csv, ARROW: from_arrow}


def make_app(service: Service) -> FastAPI:
    """Return the application around a service that knows its champion, its tokens and its limits."""
    explaining = Explaining()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing(explaining):
            async with service.upkeep.running():
                yield

    app = FastAPI(title=service.spec.name, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Watched)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_api_route("/predict", guarded(service, predict(service)), methods=["POST"])
    app.add_api_route("/explain", guarded(service, explain(service, explaining, RECORDS)), methods=["POST"])
    app.add_api_route("/invocations", guarded(service, invocations(service)), methods=["POST"])
    app.add_api_route("/model", guarded(service, model(service)), methods=["GET"])
    app.add_api_route("/metrics", guarded(service, metrics(service)), methods=["GET"])
    app.add_api_route("/version", guarded(service, mlflow_version(service)), methods=["GET"])
    for path, open_to_all in (("/health", _health), ("/ready", _ready(service)), ("/ping", _ready(service))):
        app.add_api_route(path, open_to_all, methods=["GET"])
        app.add_api_route(path, open_to_all, methods=["HEAD"], include_in_schema=False)  # as load balancers ask
    app.add_api_route("/docs", _docs, methods=["GET"], include_in_schema=False)
    app.mount("/docs", FILES)
    app.add_api_route("/openapi.json", _openapi(app, service), methods=["GET"], include_in_schema=False)
    return app


def guarded(service: Service, handler: Handler) -> Handler:
    """Let a handler answer whoever has a token, within the limits; every refusal says what to do."""

    async def answer(request: Request) -> Response:
        began, path = perf_counter(), request.url.path
        try:
            request.scope[FACTS]["who"] = service.admit(request.headers.get("authorization", ""))
            response = await handler(request)
        except (Refused, BadRecords, Unavailable) as cause:
            refused = _refused(cause)
            service.metrics.failed(refused.kind)
            request.scope[FACTS]["error"] = refused.kind
            return JSONResponse({"error": refused.what, **refused.facts}, refused.status, refused.headers)
        except Exception:
            service.metrics.failed("internal")
            raise
        service.metrics.seen(path, perf_counter() - began)
        return response

    return answer


def _refused(cause: Refused | BadRecords | Unavailable) -> Refused:
    if isinstance(cause, BadRecords):
        return Refused(422, "bad values", str(cause), problems=[problem.__dict__ for problem in cause.problems])
    return cause if isinstance(cause, Refused) else Refused(503, "unavailable", first_line(cause))


def predict(service: Service) -> Handler:
    """Answer one record, or a list of them, as JSON or as Arrow."""

    async def handle(request: Request) -> Response:
        served, answers = await _answered(service, request, RECORDS, "predict")
        name, rows = service.spec.name, len(answers)
        if wants_arrow(request):
            return Response(await aside(rows, to_arrow, name, served.version, answers), media_type=ARROW)
        return Response(await aside(rows, _told, name, served.version, answers), media_type=JSON)

    return handle


def invocations(service: Service) -> Handler:
    """Answer as MLflow's scoring server does, whose clients then work unchanged, and tell the ids for labels."""

    async def handle(request: Request) -> Response:
        _, answers = await _answered(service, request, INVOCATIONS, "invocations")
        said = {"predictions": answers.given().values, "ids": answers.ids}
        return Response(await aside(len(answers), _json, said), media_type=JSON)

    return handle


async def _answered(
    service: Service, request: Request, parsers: dict[str, Parse], source: str
) -> tuple[Served, Answers]:
    """Take a request in, however slowly it comes, then take a place and answer it."""
    async with service.intake.asked(request, parsers) as asked:
        with service.place():
            served, answers = await service.answer(asked, source=source)
    request.scope[FACTS].update(rows=len(answers), version=served.version)
    return served, answers


def wants_arrow(request: Request) -> bool:
    """Say whether the answer is to be Arrow: where it is asked for, or came and nothing else is."""
    accepted = request.headers.get("accept", "*/*")
    came = request.headers.get("content-type", "").startswith(ARROW)
    return ARROW in accepted or (came and JSON not in accepted)


def _told(name: str, version: int, answers: Answers) -> bytes:
    return _json({"model": name, "version": version, "predictions": answers.records()})


def _json(said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def model(service: Service) -> Handler:
    """Say which model answers."""

    async def handle(_: Request) -> Response:
        return JSONResponse(await service.told(about))

    return handle


def metrics(service: Service) -> Handler:
    """Give Prometheus its text."""

    async def handle(_: Request) -> Response:
        return Response(service.measured(), media_type="text/plain; version=0.0.4")

    return handle


def mlflow_version(service: Service) -> Handler:
    """Say which MLflow the model was registered with, as MLflow's server does; its clients ask before they predict."""

    async def handle(_: Request) -> Response:
        if service.follower.served is None:
            raise Refused(503, "no champion", "no champion answers yet")
        return Response(service.follower.served.loaded.card["libraries"]["mlflow"], media_type="text/plain")

    return handle


async def _health() -> Response:
    return JSONResponse({"status": "up", "at": datetime.now(UTC).isoformat()})


def _ready(service: Service) -> Callable[[], Awaitable[Response]]:
    async def handle() -> Response:
        served = service.follower.served
        if served is None:
            said = {"status": "no champion answers yet", "refused": list(service.refused())}
            return JSONResponse(said, 503, HEADERS[503])
        return JSONResponse({"status": "ready", "version": served.version})

    return handle


async def _docs() -> Response:
    return HTMLResponse(PAGE)


def _openapi(app: FastAPI, service: Service) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            service.admit(request.headers.get("authorization", ""))
        except Refused:
            return JSONResponse(described(app, service, None))
        return JSONResponse(described(app, service, service.follower.served))

    return handle


async def _no_route(_: Request, cause: Exception) -> Response:
    status, detail = getattr(cause, "status_code", 404), getattr(cause, "detail", "")
    return JSONResponse({"error": f"{detail}: /docs shows what there is"}, status, getattr(cause, "headers", None))
