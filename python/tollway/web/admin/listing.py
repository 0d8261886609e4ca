"""Lists: which part of one, and how to get at the next."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request

from tollway.gateway.errors import InvalidOption
from tollway.gateway.ports import TagFilter
from tollway.gateway.service.base import PageRequest

__all__ = ["listed", "page_request", "size_of"]

_SIZE = 100
_LARGEST = 1_000


def page_request(query: QueryParams) -> PageRequest:
    """Read `size`, `offset` and `tags`.

    Raises:
        InvalidOption: one of them is not what it has to be.
    """
    return PageRequest(size=size_of(query), offset=query.get("offset") or None, tags=_tags(query.get("tags")))


def size_of(query: QueryParams) -> int:
    """Read `size`.

    Raises:
        InvalidOption: it is no number between 1 and 1,000.
    """
    text = query.get("size")
    if text is None:
        return _SIZE
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= _LARGEST):
        raise InvalidOption("size", f"must be an integer between 1 and {_LARGEST}")
    return int(text)


def listed(request: Request, items: list[dict[str, Any]], offset: str | None) -> dict[str, Any]:
    """Return a list's body. `next` leads on with everything else as it was asked for."""
    if offset is None:
        return {"data": items, "next": None}
    query = {name: value for name, value in request.query_params.items() if name != "offset"}
    return {
        "data": items,
        "next": f"{request.url.path}?{urlencode({'offset': offset, **query})}",
        "offset": offset,
    }


def _tags(text: str | None) -> TagFilter | None:
    if not text:
        return None
    if "," in text and "/" in text:
        raise InvalidOption(
            "tags", "invalid filter syntax: use a,b for both or a/b for either, not a mixture"
        )
    parts = tuple(part.strip() for part in text.split("/" if "/" in text else ","))
    if not all(parts):
        raise InvalidOption("tags", "invalid filter syntax: a tag is empty")
    return TagFilter(parts, every="/" not in text)
