"""Pages of long lists, numbered from 1."""

from __future__ import annotations

from starlette.requests import Request

__all__ = ["page_number"]

_LAST = 10_000


def page_number(request: Request) -> int:
    """Return the page that `?page=` asks for; the first where it is no such number."""
    asked = request.query_params.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
    return min(max(1, number), _LAST)
