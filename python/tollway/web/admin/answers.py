"""Answers in Kong's form: JSON with a message where something is wrong."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from tollway.gateway.errors import EntityNotFound, KongError, UniqueViolation

__all__ = ["AdminError", "Json", "fault", "message"]


class Json(Response):
    """A JSON body."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: Any) -> bytes:
        """Write the body."""
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        # A fault may quote what no encoding has: half of a surrogate pair, which JSON can escape.
        return text.encode(errors="backslashreplace")


class AdminError(Exception):
    """A fault of the request itself, not of the entity in it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def message(status: int, text: str, headers: dict[str, str] | None = None) -> Json:
    """A body of nothing but a message."""
    return Json({"message": text}, status_code=status, headers=headers)


def fault(error: KongError) -> Json:
    """The body of a fault that Kong has a code for."""
    if isinstance(error, EntityNotFound):
        return message(404, "Not found")
    body = {"message": error.message, "name": error.title, "code": error.code, "fields": error.fields}
    return Json(body, status_code=409 if isinstance(error, UniqueViolation) else 400)
