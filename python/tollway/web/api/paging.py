"""Lists in pages: an opaque cursor leads from one to the next."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from tollway.kernel.errors import InvalidInput

__all__ = ["CursorParam", "LimitParam", "Page", "cursor_id", "cursor_key", "cursor_of", "page"]

T = TypeVar("T")
R = TypeVar("R")

LimitParam = Annotated[int, Query(ge=1, le=200, description="At most so many at once.")]
CursorParam = Annotated[
    str | None, Query(max_length=1000, description="`next_cursor` of the page before; opaque.")
]


class Page(BaseModel, Generic[T]):
    """Part of a list."""

    data: Sequence[T]
    has_more: bool
    next_cursor: Annotated[str | None, Field(description="Give it as `cursor`; null on the last page.")]


def cursor_of(key: Sequence[str | int]) -> str:
    """Write the key of a page's last item as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def cursor_key(cursor: str | None, *kinds: type[str | int]) -> list[str | int] | None:
    """Read a cursor back: as many values as there are `kinds`; None begins at the start.

    Raises:
        InvalidInput: it is none of this list's.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError):
        raise _foreign() from None
    if not isinstance(key, list) or [type(value) for value in key] != list(kinds):
        raise _foreign()
    return key


def cursor_id(cursor: str | None) -> UUID | None:
    """Read a cursor back that holds one id.

    Raises:
        InvalidInput: it is none of this list's.
    """
    key = cursor_key(cursor, str)
    try:
        return None if key is None else UUID(str(key[0]))
    except ValueError:
        raise _foreign() from None


def _foreign() -> InvalidInput:
    return InvalidInput("query.cursor", "not a cursor of this list", "give next_cursor of the page before")


def page(
    found: Sequence[T], limit: int, key: Callable[[T], Sequence[str | int]], convert: Callable[[T], R]
) -> Page[R]:
    """Return a page of at most `limit` of what was `found`, which holds one more if there is more."""
    shown = found[:limit]
    more = len(found) > limit
    return Page(
        data=[convert(item) for item in shown],
        has_more=more,
        next_cursor=cursor_of(key(shown[-1])) if more else None,
    )
