"""What a refusal of the gateway means: the page that a problem's `type` names."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tollway.web.api.codes import CODES
from tollway.web.portal.context import Portal
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the page."""

    def error(request: Request, code: str) -> Response:
        known = CODES.get(code)
        if known is None:
            raise HTTPException(404)
        return portal.site.render(request, "portal/error_code.html", code=code, known=known)

    routes.get("/errors/{code}", error, access=Access.ANYONE)
