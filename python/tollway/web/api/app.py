"""The application below `/tollway/v1`: routers of several parts, one way to refuse, one description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse

from tollway.kernel.errors import NotFound
from tollway.kernel.idempotency import Idempotency
from tollway.web.api.codes import CODES
from tollway.web.api.limits import RequestLimits
from tollway.web.api.problem import BASE, Problem, add_problem_handlers

__all__ = ["CUSTOMER_SECURITY", "OPERATOR_SECURITY", "create_api_app"]

OPERATOR_SECURITY: Mapping[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The admin token."},
    "adminToken": {"type": "apiKey", "in": "header", "name": "Kong-Admin-Token"},
}
CUSTOMER_SECURITY: Mapping[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "One of your API keys."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "apikey"},
}
"""How callers prove who they are, as OpenAPI says it."""


def create_api_app(
    routers: Sequence[APIRouter],
    *,
    idempotency: Idempotency,
    version: str,
    security: Mapping[str, Any] = OPERATOR_SECURITY,
) -> FastAPI:
    """Make the application; mount it at `/tollway/v1` behind whatever decides who may call.

    Each router's paths are relative to that. Its handlers are plain `def`, raise the domains' errors, and
    take `Once`, `LimitParam` and `CursorParam` from this package.
    """
    app = FastAPI(
        title="Tollway",
        version=version,
        summary="Plans, customers, subscriptions, invoices.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,
        servers=[{"url": BASE}],
        responses={
            "default": {
                "model": Problem,
                "description": "Refused.",
                "content": {"application/problem+json": {}},
            }
        },
    )
    app.state.idempotency = idempotency
    for router in routers:
        app.include_router(router)
    app.add_api_route("/errors/{code}", _about, include_in_schema=False)
    add_problem_handlers(app)
    app.add_middleware(RequestLimits)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        document.setdefault("components", {})["securitySchemes"] = dict(security)
        document["security"] = [{name: []} for name in security]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI means it to be extended
    return app


def _about(code: str) -> PlainTextResponse:
    """Say what a problem's code means: the page that `type` names."""
    known = CODES.get(code)
    if known is None:
        raise NotFound("error code", code)
    return PlainTextResponse(f"# {code}\n\nHTTP {known.status}: {known.title}.\n\n{known.fix}\n")
