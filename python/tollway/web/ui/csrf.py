"""Forms count only when they come from our own pages, opened in the same browser and the same session.

Three things have to agree: the browser's word on where the form came from (`Origin`, or `Sec-Fetch-Site`), a
random cookie of this browser, and a token in the form made from that cookie and the session. A token from
before signing in, of another session or another browser is worth nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tollway.web.ui.access import session_token

__all__ = ["FIELD", "HEADER", "csrf_token", "require_own_form"]

FIELD = "_csrf"
HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}


def csrf_token(request: Request) -> str:
    """Return the token for forms on the page that answers this request."""
    return _token(request, _visit(request))


async def require_own_form(request: Request) -> None:
    """Refuse what another site's page may have sent; what the form holds is in `request.state.form`.

    Raises:
        HTTPException: 403, and the page says how to go on.
    """
    request.state.form = None
    if request.method in SAFE_METHODS:
        return
    _require_own_origin(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given = request.headers.get(HEADER)
    if kind in _FORMS:
        # Files are nowhere asked for, and take more memory than a form should.
        request.state.form = await request.form(max_files=0, max_fields=500)
        posted = request.state.form.get(FIELD)
        given = given or (posted if isinstance(posted, str) else None)
    visit = request.cookies.get(request.app.state.site.cookie("visit"))
    if visit is None or given is None or not _same(given, _token(request, visit)):
        raise HTTPException(403, "This form is out of date. Open its page again and send it once more.")


def _require_own_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is None:
        # Browsers name the origin of every form; older ones at least say that it is another site's.
        foreign = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    else:
        foreign = origin not in request.app.state.site.origins(request)
    if foreign:
        raise HTTPException(403, "This form came from another site. Open our page and send it from there.")


def _visit(request: Request) -> str:
    """Return this browser's random value, made now if it has none; `Site.render` sets the cookie."""
    known = request.cookies.get(request.app.state.site.cookie("visit"))
    if known is not None and len(known) == 43:
        return known
    if not hasattr(request.state, "new_visit"):
        request.state.new_visit = secrets.token_urlsafe(32)
    visit: str = request.state.new_visit
    return visit


def _same(given: str, token: str) -> bool:
    # As bytes: of texts, only ASCII ones can be compared.
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def _token(request: Request, visit: str) -> str:
    # A visitor's session token is empty, which no session's is.
    key: bytes = request.app.state.site.key
    bound = f"csrf/{visit}/{session_token(request) or ''}".encode()
    return hmac.new(key, bound, hashlib.sha256).hexdigest()


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
