"""The first call: a key shown once, a request to copy, and a block that turns green when the call arrives."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from markupsafe import Markup
from starlette.responses import Response

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.samples import samples
from tollway.web.portal.context import Portal
from tollway.web.portal.home import KEY_PLACEHOLDER
from tollway.web.portal.ports.keys import NewKey
from tollway.web.ui.access import Access
from tollway.web.ui.highlight import highlight
from tollway.web.ui.routing import Routes

__all__ = ["add_pages", "new_key_page"]

_STEPS = ("Account", "Plan", "Key", "First call")


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""

    def first_call(request: Request, key: UUID) -> Response:
        member = portal.member(request)
        return portal.site.render(
            request,
            "portal/first_call.html",
            key=portal.keys.get(member.organisation, key),
            new=None,
            steps=None,
            arrival=portal.keys.arrival(member.organisation, key),
            sample=_sample(portal, request, KEY_PLACEHOLDER),
        )

    def arrival(request: Request, key: UUID) -> Response:
        member = portal.member(request)
        return portal.site.render(
            request,
            "portal/_arrival.html",
            key=portal.keys.get(member.organisation, key),
            arrival=portal.keys.arrival(member.organisation, key),
        )

    routes.get("/keys/{key}/first-call", first_call, access=Access.SIGNED_IN)
    routes.get("/keys/{key}/arrival", arrival, access=Access.SIGNED_IN)


@dataclass(frozen=True, slots=True)
class FirstSample:
    """A call to copy; `slug` is the page where it can be sent from the browser, if there is one."""

    code: Markup
    slug: str | None


def new_key_page(portal: Portal, request: Request, new: NewKey, *, first: bool) -> Response:
    """Show a key that was just made, the only time; `first` shows how far the reader has come."""
    return portal.site.render(
        request,
        "portal/first_call.html",
        key=new.key,
        new=new,
        steps=_STEPS if first else None,
        arrival=None,
        sample=_sample(portal, request, new.text),
    )


def _sample(portal: Portal, request: Request, key: str) -> FirstSample:
    """Return the call that the seller shows first, or else the plainest that there can be."""
    content, origin = portal.content(), portal.api_url(request)
    if content.description is not None:
        api, wanted = content.description.api, content.portal.hero.operation
        entries = [
            entry for entry in api.entries if (entry.id == wanted if wanted else entry.method == "GET")
        ]
        for entry in entries[:20]:
            operation = api.operation(entry.slug)
            if operation is None:
                continue
            try:
                code = samples(operation, origin, api.base_path, key)[0].code
            except InvalidInput:
                continue
            return FirstSample(highlight(code, "curl"), entry.slug)
    return FirstSample(highlight(f'curl -i {origin}/ \\\n  -H "apikey: {key}"', "curl"), None)
