"""The portal's first page."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from tollway.web.portal.context import Portal
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the page."""

    def home(request: Request) -> Response:
        return portal.site.render(request, "portal/home.html")

    routes.get("/", home, access=Access.ANYONE)
