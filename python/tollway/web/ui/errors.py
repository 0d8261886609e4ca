"""Pages for what went wrong: each says what to do next, and none says what it may not."""

from __future__ import annotations

import secrets

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from tollway.kernel.errors import Conflict, InvalidInput, NotFound
from tollway.web.ui.access import Access, Redirect, judge
from tollway.web.ui.site import Site

__all__ = ["ErrorPages"]

_log = structlog.get_logger(__name__)

_TITLES = {
    403: "That can't be done from here",
    404: "There is no such page",
    405: "That can't be done from here",
    409: "That can't be done now",
    413: "That is too much at once",
    422: "Something in it is wrong",
    429: "Too many attempts",
}


class ErrorPages:
    """A site's error pages."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def install(self, app: FastAPI) -> None:
        """Have an application answer errors with these pages."""
        app.add_exception_handler(Redirect, self._redirect)
        app.add_exception_handler(HTTPException, self._http_error)
        app.add_exception_handler(NotFound, self._not_found)
        app.add_exception_handler(RequestValidationError, self._not_found)
        app.add_exception_handler(InvalidInput, self._invalid)
        app.add_exception_handler(Conflict, self._conflict)
        app.add_exception_handler(Exception, self._unexpected)

    def page(
        self, request: Request, status: int, problem: str = "", reference: str | None = None
    ) -> Response:
        """Answer with an error page."""
        if not hasattr(request.state, "signed"):  # no page of ours was met on the way
            judge(request, Access.ANYONE)
        title = _TITLES.get(status, "Something went wrong here")
        return self._site.render(
            request, "error.html", status=status, title=title, problem=problem, reference=reference
        )

    def _redirect(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Redirect)
        if request.headers.get("hx-request") == "true":
            # htmx would put the page it is led to into a corner of this one.
            return Response(status_code=204, headers={"hx-redirect": error.path})
        return RedirectResponse(error.path, 303)

    def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        said = error.detail if error.status_code not in {404, 405} else ""
        answer = self.page(request, error.status_code, said)
        answer.headers.update(error.headers or {})
        return answer

    def _not_found(self, request: Request, _error: Exception) -> Response:
        # Not a word about what was looked for: it may be there, and be another's.
        return self.page(request, 404)

    def _invalid(self, request: Request, error: Exception) -> Response:
        return self.page(request, 422, str(error))

    def _conflict(self, request: Request, error: Exception) -> Response:
        return self.page(request, 409, str(error))

    def _unexpected(self, request: Request, _error: Exception) -> Response:
        # Starlette raises it on after this answer, so that the server logs it with its traceback.
        if getattr(request.app.state, "site", None) is not self._site:
            return Response(status_code=500)  # a mounted application's, which has answered already
        reference = secrets.token_hex(6)
        _log.error("page failed", reference=reference, path=request.url.path)
        return self.page(request, 500, reference=reference)
