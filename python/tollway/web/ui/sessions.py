"""The session's cookie, and where on the network a request comes from."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from tollway.accounts.errors import SignInRefused, TooManyAttempts
from tollway.web.ui.access import session_token
from tollway.web.ui.forms import Form
from tollway.web.ui.site import Site

__all__ = ["begin_session", "place", "signed_in", "signed_out"]


def begin_session(
    request: Request, form: Form, sign_in: Callable[[str, str, str, str | None], str]
) -> tuple[str | None, int]:
    """Sign in with what a form says: return the session's token, or None and the status of the refusal.

    `sign_in` takes address, password, place and the token that the browser brought.
    """
    email, password = form.email("email"), form.secret("password")
    if not form.ok:
        return None, form.status
    try:
        return sign_in(email, password, place(request), session_token(request)), form.status
    except SignInRefused as error:
        form.fail("password", str(error))
        return None, 403
    except TooManyAttempts as error:
        form.fail("password", str(error))
        return None, 429


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
