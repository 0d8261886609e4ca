"""The Admin API as an ASGI application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from tollway.gateway.errors import KongError
from tollway.gateway.ports import ConnectedGateways
from tollway.kernel.errors import InvalidInput, TollwayError
from tollway.web.admin.answers import AdminError, fault, message
from tollway.web.admin.context import Admin, Units
from tollway.web.admin.entities import add_entity_routes
from tollway.web.admin.groups import add_group_routes
from tollway.web.admin.guard import AdminGuard, require_safe_listener
from tollway.web.admin.health import add_health_routes
from tollway.web.admin.node import add_node_routes
from tollway.web.api.problem import BASE

__all__ = ["create_admin_app"]

_log = structlog.get_logger(__name__)


def create_admin_app(
    *,
    units: Units,
    gateways: ConnectedGateways,
    listen: str,
    token: str | None = None,
    hosts: Sequence[str] = (),
    facts: dict[str, Any] | None = None,
    api: FastAPI | None = None,
) -> FastAPI:
    """Make the application. Run it with `server_header=False`: it names itself as Kong's clients expect.

    `units` opens units of work (a `GatewayStore`), `gateways` knows who applied what (a `Publisher`).
    `listen` is the `host:port` that it will be served on, `hosts` further names that it may be called by
    where there is no `token`. `facts` for `GET /`: `version`, `node_id`, `database`. `api` is what answers
    below `/tollway/v1`.

    Raises:
        InvalidInput: `listen` can be reached from other machines, and there is no token.
    """
    require_safe_listener(listen, token)
    admin = Admin(units, gateways, facts or {})
    # No page of FastAPI's own: this is Kong's API, which has a documentation.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    if api is not None:
        app.mount(BASE, api)
        app.add_api_route("/openapi.json", api.openapi)
    add_node_routes(app.router, admin)
    add_group_routes(app.router, admin)
    add_health_routes(app.router, admin)
    add_entity_routes(app.router, admin)
    app.add_exception_handler(KongError, _kong_error)
    app.add_exception_handler(AdminError, _admin_error)
    app.add_exception_handler(TollwayError, _tollway_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(AdminGuard, token=token, hosts=hosts)
    return app


def _kong_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, KongError)
    return fault(error)


def _admin_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AdminError)
    return message(error.status, error.text)


def _tollway_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, InvalidInput):  # what the schema lets through and a database doesn't take
        return message(400, str(error))
    # Faults of the installation, such as keys encrypted under another secret.
    _log.error("admin request failed", problem=str(error))
    return message(500, str(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allow = ", ".join(_methods(request.app.routes, request.scope))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": allow})
        return message(405, "Method not allowed", {"allow": allow})
    return message(error.status_code, "Not found" if error.status_code == 404 else str(error.detail))


def _unexpected(_request: Request, _error: Exception) -> Response:
    # Starlette raises it on after this answer, so that the server logs it with its traceback.
    return message(500, "An unexpected error occurred")


def _methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """Return every method of the path: each route knows only its own."""
    found: set[str] = {"OPTIONS"}
    for route in routes:
        match, _ = route.matches(scope)
        if match is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)
