"""The explorer: Swagger UI over the OpenAPI file, loaded when somebody asks for it.

It is larger than all other pages together, so it waits for a click. What it would send goes to `/try/api`.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tollway.web.openapi.tree import mapping
from tollway.web.portal.context import Portal
from tollway.web.portal.reference import docs_context
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages", "explorable"]

# Swagger UI draws its icons from data: addresses. It needs no inline style and no eval.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""

    def explorer(request: Request) -> Response:
        content = portal.content()
        if content.description is None:
            raise HTTPException(404)
        page = portal.site.render(request, "portal/explorer.html", **docs_context(content))
        page.headers["content-security-policy"] = _POLICY
        return page

    def document(request: Request) -> Response:
        description = portal.content().description
        if description is None:
            raise HTTPException(404)
        shown = explorable(description.api.document, portal.api_url(request) + description.api.base_path)
        return Response(json.dumps(shown, ensure_ascii=False), media_type="application/json")

    routes.get("/explorer", explorer, access=Access.ANYONE)
    routes.get("/explorer/openapi.json", document, access=Access.ANYONE)


def explorable(document: dict[str, object], server: str) -> dict[str, Any]:
    """Return the file with one server, and without asking for a key: calls get the visitor's own."""
    paths: dict[str, object] = {}
    for path, item in mapping(document.get("paths")).items():
        paths[path] = {
            name: _without(inner, "servers", "security") if name in _METHODS else inner
            for name, inner in _without(item, "servers").items()
        }
    components = _without(document.get("components"), "securitySchemes")
    top = _without(document, "servers", "security", "webhooks")
    return {**top, "servers": [{"url": server}], "paths": paths, "components": components}


def _without(node: object, *names: str) -> dict[str, object]:
    return {name: value for name, value in mapping(node).items() if name not in names}
