"""The application: paths onto operations, and the two things that happen around every request."""

from __future__ import annotations

import inspect
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.upstream.answers import Problem, problem_answer
from demo.upstream.dataset import Places
from demo.upstream.operations import Operations

__all__ = ["OPENAPI_FILE", "create_app"]

OPENAPI_FILE = Path(__file__).with_name("openapi.yaml")
_REQUEST_ID = b"x-kong-request-id"
_log = logging.getLogger("atlas")

_Operation = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]


def create_app(
    places: Places, *, staff_token: str | None = None, request_log: Path | None = None
) -> Starlette:
    """Make the API over `places`.

    `request_log`: a file that gets one line, `REQUEST_ID METHOD PATH`, for each request that carries
    `X-Kong-Request-Id`, written before it is answered: what the gateway's books are compared with.
    """
    ops = Operations(places, staff_token)
    readable: dict[str, _Operation] = {
        "/v1": ops.get_index,
        "/v1/continents": ops.list_continents,
        "/v1/countries": ops.list_countries,
        "/v1/countries/{code}": ops.get_country,
        "/v1/countries/{code}/cities": ops.list_country_cities,
        "/v1/cities": ops.search_cities,
        "/v1/cities/{id}": ops.get_city,
        "/v1/nearest": ops.nearest_cities,
        "/v1/distance": ops.get_distance,
        "/v1/bearing": ops.get_bearing,
        "/v1/states": ops.list_states,
        "/v1/states/{code}": ops.get_state,
        "/v1/downloads": ops.list_downloads,
        "/v1/downloads/{name}": ops.get_download,
        "/v1/sources": ops.list_sources,
        "/v0/{path:path}": _moved,
        "/openapi.json": _openapi,
    }
    routes = [_route("/v1/cities/lookup", ops.look_up_cities, "POST")]
    routes += [_route(path, operation, "GET", "HEAD", "OPTIONS") for path, operation in readable.items()]
    around = [Middleware(_Faults)]
    if request_log is not None:
        around.insert(0, Middleware(_RequestLog, path=request_log))
    return Starlette(
        routes=routes, middleware=around, exception_handlers={Problem: _refuse, HTTPException: _refuse_http}
    )


def _route(path: str, operation: _Operation, *methods: str) -> Route:
    return Route(path, _answering(operation), methods=methods, name=operation.__name__.strip("_"))


def _answering(operation: _Operation) -> Callable[[Request], Awaitable[Response]]:
    """Let OPTIONS be judged as GET is, so that it tells whether there is anything to use a method on."""

    async def endpoint(request: Request) -> Response:
        answer = operation(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": "GET, HEAD, OPTIONS"})
        return answer

    return endpoint


def _moved(request: Request) -> Response:
    """Version 0 had the same paths; it moved in whole."""
    query = f"?{request.url.query}" if request.url.query else ""
    location = f"/v1/{quote(request.path_params['path'])}{query}"
    return Response(status_code=301, headers={"Location": location})


def _openapi(_: Request) -> Response:
    document = yaml.safe_load(OPENAPI_FILE.read_text(encoding="utf-8"))
    return Response(json.dumps(document).encode(), media_type="application/json")


def _refuse(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem_answer(problem.status, problem.detail)


def _refuse_http(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    return problem_answer(fault.status_code, "/openapi.json has the paths and their methods", fault.headers)


class _Faults:
    """Turns what no operation caught into a 500 and a traceback in the log; the connection stays usable."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if started:
                raise
            _log.exception("%s %s failed", scope.get("method"), scope.get("path"))
            await problem_answer(500, "an operation failed; the fault is in the API's log")(
                scope, receive, send
            )


class _RequestLog:
    """Notes each gateway request id with one write, before anything is answered."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self._app = app
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == _REQUEST_ID:
                    os.write(self._file, b"%s %s %s\n" % (value, scope["method"].encode(), scope["raw_path"]))
        await self._app(scope, receive, send)
