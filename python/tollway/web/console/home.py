"""The console's first page."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from tollway.web.console.context import Console
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, console: Console) -> None:
    """Register the page."""

    def home(request: Request) -> Response:
        return console.site.render(request, "console/home.html")

    routes.get("/", home, access=Access.SIGNED_IN)
    routes.nav("Home", "/", order=0, group="Business")
