"""The account: who is signed in, their organisation, and what invoices say of it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from tollway.web.portal.context import Portal
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _Account(portal)
    routes.get("/account", pages.page, access=Access.SIGNED_IN)


@dataclass(frozen=True)
class _Account:
    portal: Portal

    def page(self, request: Request) -> Response:
        return self.portal.site.render(request, "portal/account.html", member=self.portal.member(request))
