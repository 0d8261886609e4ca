"""Headers that every answer carries, and how much a request may send. A page may set a header of its own."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Mount
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
    """Goes around a whole application: sets the headers above where a page has not, bounds bodies to 1 MiB.

    Not a middleware of it: the page of an unexpected error is made outside of those, and is read as well.
    Applications that are mounted bound their own bodies, in their own words. `secure` says that readers come
    by https, whoever ends TLS for us.
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

        await self._app(scope, receive if _mounted(scope) else bounded, guarded)


def _mounted(scope: Scope) -> bool:
    mounts = (route.path for route in scope["app"].routes if isinstance(route, Mount))
    return any(scope["path"].startswith(f"{path}/") for path in mounts)
