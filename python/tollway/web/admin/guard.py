"""Who may talk to the Admin API at all, decided before anything else reads the request.

With a token: who has it. Without one the API is open on the loopback interface, where a browser runs too.
Any web page may make that browser send us requests, so those that carry another site's name are refused:
by `Host` (a name of the attacker's that resolves to 127.0.0.1) or by `Origin` (a form posted from a page).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollway.kernel.errors import InvalidInput
from tollway.web.admin.answers import message
from tollway.web.api.problem import BASE, problem_response

__all__ = ["AdminGuard", "require_safe_listener"]

SERVER = "kong/3.9.1"
"""What some of Kong's clients read to know which release they talk to."""


def require_safe_listener(listen: str, token: str | None) -> None:
    """Refuse to open the Admin API to a network without a token.

    Raises:
        InvalidInput: `listen` (`host:port`) is not a loopback address and there is no token.
    """
    if not token and not _is_loopback(_host_of(listen)):
        raise InvalidInput(
            "TOLLWAY_ADMIN_LISTEN",
            f"{listen} can be reached from other machines, and no admin token is set",
            "set TOLLWAY_ADMIN_TOKEN to a long random text (openssl rand -hex 32), or listen on 127.0.0.1",
        )


class _Refusal(NamedTuple):
    status: int
    text: str
    headers: dict[str, str] | None = None


class AdminGuard:
    """ASGI middleware: refuses strangers, names the server, and takes a path's trailing slash away."""

    def __init__(self, app: ASGIApp, token: str | None, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._token = token.encode() if token else None
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def named(event: Message) -> None:
            if event["type"] == "http.response.start":
                MutableHeaders(scope=event)["server"] = SERVER
            await send(event)

        headers = Headers(scope=scope)
        refusal = self._stranger(headers) if self._token is None else self._unknown(headers)
        if refusal is not None:
            await _answer(scope, refusal)(scope, receive, named)
            return
        if len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, named)

    def _unknown(self, headers: Headers) -> _Refusal | None:
        given = headers.get("kong-admin-token")
        if given is None:
            scheme, _, credentials = headers.get("authorization", "").partition(" ")
            given = credentials.strip() if scheme.lower() == "bearer" else None
        if given is None:
            text = "Unauthorized: send the admin token as Kong-Admin-Token or as Authorization: Bearer"
        elif hmac.compare_digest(given.encode(), self._token or b""):
            return None
        else:
            text = "Unauthorized: this is not the admin token"
        return _Refusal(401, text, {"www-authenticate": 'Bearer realm="tollway admin"'})

    def _stranger(self, headers: Headers) -> _Refusal | None:
        hosts = headers.getlist("host")
        host = _host_of(hosts[0]) if len(hosts) == 1 else ""
        if not _is_loopback(host) and host not in self._hosts:
            return _Refusal(
                403,
                f"Host {', '.join(hosts) or '(none)'!r} is not this machine's: without an admin token the "
                "Admin API answers only to localhost; set TOLLWAY_ADMIN_TOKEN to use other names",
            )
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != hosts[0].lower()
        if foreign or headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            return _Refusal(
                403,
                f"a page of {origin or 'another site'} may not use the Admin API through your browser; "
                "set TOLLWAY_ADMIN_TOKEN and send it to do this on purpose",
            )
        return None


def _answer(scope: Scope, refusal: _Refusal) -> Response:
    """Word a refusal as the part of the API does that was asked."""
    status, text, headers = refusal
    if not scope["path"].startswith(f"{BASE}/"):
        return message(status, text, headers)
    return problem_response(scope, "unauthorized" if status == 401 else "forbidden", text, headers=headers)


def _host_of(authority: str) -> str:
    """Return the host of `host:port`, `[::1]:port` or a bare host, in lower case."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").lower()
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
