"""The session's cookie, and where on the network a request comes from."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tollway.web.ui.site import Site

__all__ = ["place", "signed_in", "signed_out"]


def signed_in(site: Site, path: str, token: str, *, seconds: int) -> Response:
    """Send the reader on with a session's token, which their browser keeps for `seconds`."""
    response = site.redirect(path)
    site.set_cookie(response, "session", token, seconds=seconds)
    return response


def signed_out(site: Site, path: str) -> Response:
    """Send the reader on without a session, and have the browser forget what it saw in it."""
    response = site.redirect(path, flash="You are signed out.")
    site.drop_cookie(response, "session")
    response.headers["clear-site-data"] = '"cache"'
    return response


def place(request: Request) -> str:
    """Return the network address that a request comes from."""
    return "" if request.client is None else request.client.host
