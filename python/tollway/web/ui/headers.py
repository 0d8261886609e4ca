"""Headers that every answer carries, and how much a request may send. A page may set a header of its own."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CONTENT_POLICY", "PageGuard"]

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: with it, browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # A page shows what only its reader may see, also on the way back after signing out.
    "cache-control": "no-store",
}
_A_YEAR = "max-age=31536000"
_LARGEST_BODY = 1 << 20


class PageGuard:
    """ASGI middleware: sets the headers above where a page has not, and refuses bodies over 1 MiB.

    `secure` says that readers come by https, whoever ends TLS for us.
    """

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0

        async def guarded(event: Message) -> None:
            if event["type"] == "http.response.start":
                headers = MutableHeaders(scope=event)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if self._secure or scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", _A_YEAR)
            await send(event)

        async def bounded() -> Message:
            nonlocal read
            event = await receive()
            read += len(event.get("body", b""))
            if read > _LARGEST_BODY:
                raise HTTPException(413, "At most 1 MiB is taken at once. Shorten it and send it again.")
            return event

        await self._app(scope, bounded, guarded)
