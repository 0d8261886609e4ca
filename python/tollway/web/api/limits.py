"""What every request to the API goes through first: an id, and a bound on its body."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollway.web.api.problem import problem_response, request_id

__all__ = ["BODY_LIMIT", "RequestLimits"]

BODY_LIMIT = 2 * 1024 * 1024
"""Bytes."""


class RequestLimits:
    """ASGI middleware: names each request, and reads its body before anything works on it."""

    def __init__(self, app: ASGIApp, body_limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id_ = request_id(scope)

        async def named(event: Message) -> None:
            if event["type"] == "http.response.start":
                MutableHeaders(scope=event).setdefault("x-request-id", id_)
            await send(event)

        body = await self._body(scope, receive)
        if body is None:
            detail = f"a body may have {self._limit} bytes"
            await problem_response(scope, "payload_too_large", detail)(scope, receive, named)
            return
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return parts.pop() if parts else await receive()

        await self._app(scope, again, named)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the whole body, None if it is too large."""
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._limit:
            return None
        body = bytearray()
        while True:
            event = await receive()
            if event["type"] != "http.request":  # whoever sent it has gone
                return bytes(body)
            body += event.get("body", b"")
            if len(body) > self._limit:
                return None
            if not event.get("more_body", False):
                return bytes(body)
