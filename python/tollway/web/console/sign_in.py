"""Signing in to the console, and out."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from tollway.accounts.models import Realm
from tollway.accounts.sessions import LIFETIMES
from tollway.web.console.context import Console
from tollway.web.ui.access import Access, local_path, session_token
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes
from tollway.web.ui.sessions import begin_session, signed_in, signed_out

__all__ = ["SESSION_SECONDS", "add_pages"]

SESSION_SECONDS = int(LIFETIMES[Realm.CONSOLE][1].total_seconds())


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _SignIn(console)
    routes.get("/sign-in", pages.form, access=Access.ANYONE)
    routes.post("/sign-in", pages.sign_in, access=Access.ANYONE)
    routes.post("/sign-out", pages.sign_out, access=Access.ANYONE)


@dataclass(frozen=True)
class _SignIn:
    console: Console

    def form(self, request: Request) -> Response:
        if request.state.signed is not None:
            return self.console.site.redirect(_wanted(request))
        if self.console.operators.setup_needed():
            return self.console.site.redirect("/setup")
        return self._page(request, Form(request), 200)

    def sign_in(self, request: Request) -> Response:
        form = Form(request)
        session, status = begin_session(request, form, self.console.operators.sign_in)
        if session is None:
            return self._page(request, form, status)
        return signed_in(self.console.site, _wanted(request), session, seconds=SESSION_SECONDS)

    def sign_out(self, request: Request) -> Response:
        self.console.operators.sign_out(session_token(request))
        return signed_out(self.console.site, "/sign-in")

    def _page(self, request: Request, form: Form, status: int) -> Response:
        return self.console.site.render(
            request, "console/sign_in.html", status=status, form=form, wanted=_wanted(request)
        )


def _wanted(request: Request) -> str:
    posted = Form(request).value("next")
    return local_path(posted or request.query_params.get("next"), "/")
