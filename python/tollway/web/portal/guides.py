"""The seller's guides, and what machines read: `/llms.txt`, `/robots.txt`, `/sitemap.xml`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from tollway.web.portal.content.markdown import markdown_page
from tollway.web.portal.content.model import Content, Guide
from tollway.web.portal.context import Portal
from tollway.web.portal.reference import docs_context
from tollway.web.portal.texts import llms_text
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""

    def guides(request: Request) -> Response:
        return portal.site.render(request, "portal/guides.html", **docs_context(portal.content()))

    def guide(request: Request, slug: str) -> Response:
        content = portal.content()
        found = _guide(content, slug.removesuffix(".md"))
        if slug.endswith(".md"):
            return PlainTextResponse(f"# {found.title}\n\n{found.markdown}", media_type="text/markdown")
        place = content.guides.index(found)
        return portal.site.render(
            request,
            "portal/guide.html",
            **{**docs_context(content), "current": f"guide/{found.slug}"},
            guide=found,
            page=markdown_page(found.markdown),
            before=content.guides[place - 1] if place else None,
            after=content.guides[place + 1] if place + 1 < len(content.guides) else None,
        )

    def llms(request: Request) -> Response:
        return PlainTextResponse(llms_text(portal.content(), portal.site.brand.name, portal.api_url(request)))

    def robots(request: Request) -> Response:
        lines = [
            "User-agent: *",
            "Disallow: /try/",
            "Disallow: /account",
            f"Sitemap: {_origin(request)}/sitemap.xml",
        ]
        return PlainTextResponse("\n".join(lines) + "\n")

    def sitemap(request: Request) -> Response:
        origin = _origin(request)
        urls = "".join(f"<url><loc>{escape(origin + path)}</loc></url>" for path in _paths(portal.content()))
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>\n'
        )
        return Response(document, media_type="application/xml")

    def _origin(request: Request) -> str:
        return (portal.site.public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")

    routes.get("/guides", guides, access=Access.ANYONE)
    routes.get("/guides/{slug}", guide, access=Access.ANYONE)
    routes.get("/llms.txt", llms, access=Access.ANYONE)
    routes.get("/robots.txt", robots, access=Access.ANYONE)
    routes.get("/sitemap.xml", sitemap, access=Access.ANYONE)
    if portal.content().guides:
        routes.nav("Guides", "/guides", order=4, access=Access.ANYONE)


def _guide(content: Content, slug: str) -> Guide:
    guide = content.guide(slug)
    if guide is None:
        raise HTTPException(404)
    return guide


def _paths(content: Content) -> Iterator[str]:
    yield from ("/", "/pricing", "/guides")
    yield from (f"/guides/{guide.slug}" for guide in content.guides)
    if content.description is not None:
        yield "/reference"
        yield from (f"/reference/{entry.slug}" for entry in content.description.api.entries)
