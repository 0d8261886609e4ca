"""Makes a site's ASGI application: its pages, static files, headers and error pages."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tollway.web.ui.access import Access
from tollway.web.ui.errors import ErrorPages
from tollway.web.ui.headers import PageGuard
from tollway.web.ui.routing import Routes
from tollway.web.ui.site import Site

__all__ = ["create_site_app"]


def create_site_app(site: Site, package: ModuleType, context: Any) -> FastAPI:
    """Make a site's application from the page modules of `package`.

    A page module is one with a function `add_pages(routes, context)`: putting the file there is all it takes.
    `app.state.access` tells who may open each route, `app.state.context` is what pages are made with.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.site = site
    app.state.context = context
    routes = Routes(app.router, site)
    app.state.access = routes.declared

    def static(request: Request, digest: str, name: str) -> Response:
        answer = site.assets.answer(request, digest, name)
        if answer is None:
            raise HTTPException(404)
        return answer

    routes.get("/static/{digest}/{name:path}", static, access=Access.ANYONE)
    for add_pages in _page_modules(package):
        add_pages(routes, context)
    ErrorPages(site).install(app)
    app.middleware_stack = PageGuard(app.build_middleware_stack(), secure=site.secure)
    return app


def _page_modules(package: ModuleType) -> Iterator[Callable[[Routes, Any], None]]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."))
    for name in names:
        add_pages = getattr(import_module(name), "add_pages", None)
        if add_pages is not None:
            yield add_pages
