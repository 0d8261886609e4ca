"""The reference: one page for each operation, one with all of them, and the OpenAPI file itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.api import Api
from tollway.web.openapi.model import Operation, OperationEntry, ParameterPlace
from tollway.web.openapi.samples import LANGUAGES, Sample, samples
from tollway.web.portal.content.markdown import markdown_inline
from tollway.web.portal.content.model import Content, Description
from tollway.web.portal.context import Portal
from tollway.web.portal.home import KEY_PLACEHOLDER
from tollway.web.portal.texts import operation_markdown, reference_markdown
from tollway.web.portal.trial_form import trial_form
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages", "docs_context", "operation_context"]

_ON_ONE_PAGE = 80
_LONGEST_QUERY = 100
_PLACES = {
    ParameterPlace.PATH: "Path",
    ParameterPlace.QUERY: "Query",
    ParameterPlace.HEADER: "Headers",
    ParameterPlace.COOKIE: "Cookies",
}


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""

    def reference(request: Request) -> Response:
        content = portal.content()
        if content.description is None:
            return portal.site.render(request, "portal/reference_empty.html", **docs_context(content))
        api = content.description.api
        query = request.query_params.get("q", "").strip()[:_LONGEST_QUERY]
        whole = not query and len(api.entries) <= _ON_ONE_PAGE
        operations = {entry.slug: api.operation(entry.slug) for entry in api.entries} if whole else {}
        return portal.site.render(
            request,
            "portal/reference.html",
            **{**docs_context(content), "query": query},
            found=_found(content, query) if query else (),
            operations=operations,
            places=_PLACES,
        )

    def operation(request: Request, slug: str) -> Response:
        content = portal.content()
        api = _description(content).api
        if slug.endswith(".md"):
            found = _operation(api, slug.removesuffix(".md"))
            return _markdown(operation_markdown(api, found, portal.api_url(request)))
        found = _operation(api, slug)
        context = operation_context(portal, request, content, found)
        if portal.trial is not None:
            context |= {"trial": True, "form": trial_form(request, found), "answer": None, "problem": ""}
        return portal.site.render(request, "portal/operation.html", **context)

    def as_markdown(request: Request) -> Response:
        return _markdown(reference_markdown(_description(portal.content()).api, portal.api_url(request)))

    def as_json(_request: Request) -> Response:
        return Response(_description(portal.content()).api.as_json, media_type="application/json")

    def as_yaml(_request: Request) -> Response:
        description = _description(portal.content())
        # JSON is YAML too.
        return Response(description.raw, media_type="application/yaml")

    routes.get("/reference", reference, access=Access.ANYONE)
    routes.get("/reference.md", as_markdown, access=Access.ANYONE)
    routes.get("/reference/{slug}", operation, access=Access.ANYONE)
    routes.get("/openapi.json", as_json, access=Access.ANYONE)
    routes.get("/openapi.yaml", as_yaml, access=Access.ANYONE)
    if portal.content().description is not None:
        routes.nav("Reference", "/reference", order=6, access=Access.ANYONE)


@dataclass(frozen=True, slots=True)
class Found:
    """A page that matches a search."""

    path: str
    title: str
    about: str


def docs_context(content: Content) -> dict[str, Any]:
    """Return what the sidebar of guides and operations is made of."""
    api = content.description.api if content.description is not None else None
    return {
        "api": api,
        "groups": api.groups if api is not None else (),
        "guides": content.guides,
        "words": content.portal,
        "folded": api is not None and len(api.entries) > _ON_ONE_PAGE,
        "current": None,
        "query": "",
    }


def operation_context(
    portal: Portal, request: Request, content: Content, operation: Operation
) -> dict[str, Any]:
    """Return what an operation's page is made of, the form to try it aside."""
    api = _description(content).api
    language = request.query_params.get("lang", LANGUAGES[0].slug)
    written = _samples(operation, api, portal.api_url(request))
    chosen = next((sample for sample in written if sample.language.slug == language), None)
    entries = [entry for group in api.groups for entry in group.entries]
    place = entries.index(operation.entry)
    return {
        **docs_context(content),
        "operation": operation,
        "entry": operation.entry,
        "current": operation.entry.slug,
        "places": _PLACES,
        "samples": written,
        "sample": chosen or next(iter(written), None),
        "before": _at(entries, place - 1),
        "after": _at(entries, place + 1),
        "summary": markdown_inline(operation.description) or operation.entry.title,
    }


def _samples(operation: Operation, api: Api, origin: str) -> list[Sample]:
    try:
        return samples(operation, origin, api.base_path, KEY_PLACEHOLDER)
    except InvalidInput:
        return []  # the file has an example that nobody could send


def _at(entries: list[OperationEntry], place: int) -> OperationEntry | None:
    return entries[place] if 0 <= place < len(entries) else None


def _description(content: Content) -> Description:
    if content.description is None:
        raise HTTPException(404)
    return content.description


def _operation(api: Api, slug: str) -> Operation:
    operation = api.operation(slug)
    if operation is None:
        raise HTTPException(404)
    return operation


def _markdown(text: str) -> Response:
    return PlainTextResponse(text, media_type="text/markdown")


def _found(content: Content, query: str) -> list[Found]:
    words = query.lower().split()
    found = [
        Found(f"/guides/{guide.slug}", guide.title, "Guide")
        for guide in content.guides
        if all(word in f"{guide.title} {guide.markdown}".lower() for word in words)
    ]
    api = _description(content).api
    for entry in api.entries:
        text = f"{entry.title} {entry.id} {entry.method} {entry.path} {' '.join(entry.tags)}".lower()
        if all(word in text for word in words):
            found.append(Found(f"/reference/{entry.slug}", entry.title, f"{entry.method} {entry.path}"))
    return found
