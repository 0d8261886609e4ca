"""Who may open a page: declared where the page is registered, judged before anything else of it runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request

__all__ = ["Access", "Identify", "Redirect", "Signed", "judge", "local_path", "session_token"]


class Access(StrEnum):
    """Who may open a page."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    """A member of an organisation on the portal, an operator on the console."""


class Signed(Protocol):
    """Whoever is signed in, as far as every page shows it."""

    @property
    def label(self) -> str:
        """What they are called in the page's head."""


class Identify(Protocol):
    """Finds who a session belongs to."""

    def __call__(self, token: str) -> Signed | None:
        """Return who is signed in, or None where the session is unknown, idle for too long or over."""


class Redirect(Exception):
    """Ends a request by sending the reader elsewhere; `path` is one of our own pages."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


def session_token(request: Request) -> str | None:
    """Return the session's token that the request brought, whether it still is worth anything or not."""
    token: str | None = request.cookies.get(request.app.state.site.cookie("session"))
    return token


def judge(request: Request, access: Access) -> None:
    """Find out who asks, and send them to sign in where the page is not for everybody.

    Raises:
        Redirect: the page is for those signed in.
    """
    site = request.app.state.site
    token = session_token(request)
    request.state.signed = None if token is None else site.identify(token)
    if access is Access.SIGNED_IN and request.state.signed is None:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        # What was posted can't be sent again by a link: after signing in, the reader starts from the page.
        back = here if request.method in {"GET", "HEAD"} else request.url.path
        raise Redirect(f"/sign-in?next={quote(back, safe='/')}")


def local_path(text: str | None, default: str = "/") -> str:
    r"""Return `text` if it is a path of this site, else the default: nobody is sent to another host.

    Browsers read `//host`, `/\\host` and paths with control characters in them as something else.
    """
    if text is None or not text.startswith("/") or text.startswith("//") or len(text) > 2000:
        return default
    if "\\" in text or any(not character.isprintable() for character in text):
        return default
    return text
