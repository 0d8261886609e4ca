"""How pages are registered: each says who may open it, or it does not come to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tollway.web.ui.access import Access, judge
from tollway.web.ui.csrf import require_own_form
from tollway.web.ui.site import Banners, NavItem, Site

__all__ = ["Routes"]

Endpoint = Callable[..., Any]


class Routes:
    """Takes a site's pages.

        def add_pages(routes: Routes, portal: Portal) -> None:
            def usage(request: Request) -> Response:
                member = portal.member(request)
                return portal.site.render(request, "portal/usage.html", rows=...)

            routes.get("/usage", usage, access=Access.SIGNED_IN)
            routes.nav("Usage", "/usage", order=20)

    Before an endpoint runs, whoever asks has been identified and admitted, and what was posted has been
    checked to come from our own form.
    """

    def __init__(self, router: APIRouter, site: Site) -> None:
        self._router = router
        self._site = site
        self.declared: dict[tuple[str, str], Access] = {}

    def get(self, path: str, endpoint: Endpoint, *, access: Access) -> None:
        """Register a page that is looked at."""
        self._add(path, endpoint, ("GET", "HEAD"), access)

    def post(self, path: str, endpoint: Endpoint, *, access: Access) -> None:
        """Register what a form is sent to."""
        self._add(path, endpoint, ("POST",), access)

    def nav(
        self, label: str, path: str, *, order: int, access: Access = Access.SIGNED_IN, group: str = ""
    ) -> None:
        """Put a page into the navigation."""
        self._site.navigation.append(NavItem(label, path, order, access, group))
        self._site.navigation.sort(key=lambda item: item.order)

    def banner(self, banners: Banners) -> None:
        """Have a banner looked for on every page."""
        self._site.banners.append(banners)

    def _add(self, path: str, endpoint: Endpoint, methods: Sequence[str], access: Access) -> None:
        def admitted(request: Request) -> None:
            judge(request, access)

        self._router.add_api_route(
            path,
            endpoint,
            methods=list(methods),
            # In this order: a stranger's form is not even read.
            dependencies=[Depends(admitted), Depends(require_own_form)],
            response_class=Response,
            response_model=None,
            include_in_schema=False,
        )
        for method in methods:
            self.declared[method, path] = access
