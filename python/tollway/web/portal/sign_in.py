"""Signing in and out, and a new password for whoever lost theirs."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from tollway.accounts.errors import LinkUnusable, TooManyAttempts
from tollway.kernel.errors import InvalidInput
from tollway.web.portal.context import Portal
from tollway.web.portal.sign_up import SESSION_SECONDS
from tollway.web.ui.access import Access, local_path, session_token
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes
from tollway.web.ui.sessions import begin_session, place, signed_in, signed_out

__all__ = ["add_pages"]


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _SignIn(portal)
    routes.get("/sign-in", pages.form, access=Access.ANYONE)
    routes.post("/sign-in", pages.sign_in, access=Access.ANYONE)
    routes.post("/sign-out", pages.sign_out, access=Access.ANYONE)
    routes.get("/reset-password", pages.reset_form, access=Access.ANYONE)
    routes.post("/reset-password", pages.ask_reset, access=Access.ANYONE)
    routes.get("/new-password", pages.new_password_form, access=Access.ANYONE)
    routes.post("/new-password", pages.new_password, access=Access.ANYONE)


@dataclass(frozen=True)
class _SignIn:
    portal: Portal

    def form(self, request: Request) -> Response:
        if request.state.signed is not None:
            return self.portal.site.redirect(_wanted(request))
        return self._page(request, Form(request), 200)

    def sign_in(self, request: Request) -> Response:
        form = Form(request)
        session, status = begin_session(request, form, self.portal.accounts.sign_in)
        if session is None:
            return self._page(request, form, status)
        return signed_in(self.portal.site, _wanted(request), session, seconds=SESSION_SECONDS)

    def sign_out(self, request: Request) -> Response:
        self.portal.accounts.sign_out(session_token(request))
        return signed_out(self.portal.site, "/")

    def reset_form(self, request: Request) -> Response:
        return self.portal.site.render(request, "portal/reset_password.html", form=Form(request))

    def ask_reset(self, request: Request) -> Response:
        form = Form(request)
        email = form.email("email")
        if form.ok:
            try:
                self.portal.accounts.ask_reset(email, place(request))
            except TooManyAttempts as error:
                form.fail("email", str(error))
        if not form.ok:
            return self.portal.site.render(
                request, "portal/reset_password.html", status=form.status, form=form
            )
        return self.portal.site.redirect("/check-mail")

    def new_password_form(self, request: Request, token: str = "") -> Response:
        try:
            self.portal.accounts.require_reset(token)
        except LinkUnusable as error:
            return self._unusable(request, error)
        return self._new_password_page(request, Form(request), token)

    def new_password(self, request: Request) -> Response:
        form = Form(request)
        token, password = form.value("token"), form.secret("password")
        if form.ok:
            try:
                self.portal.accounts.reset(token, password)
            except LinkUnusable as error:
                return self._unusable(request, error)
            except InvalidInput as error:
                form.fault(error)
        if not form.ok:
            return self._new_password_page(request, form, token)
        return self.portal.site.redirect("/sign-in", flash="Your password is changed. Sign in with it.")

    def _page(self, request: Request, form: Form, status: int) -> Response:
        return self.portal.site.render(
            request, "portal/sign_in.html", status=status, form=form, wanted=_wanted(request)
        )

    def _new_password_page(self, request: Request, form: Form, token: str) -> Response:
        return self.portal.site.render(
            request, "portal/new_password.html", status=form.status, form=form, token=token
        )

    def _unusable(self, request: Request, error: LinkUnusable) -> Response:
        return self.portal.site.render(
            request, "portal/link_unusable.html", status=410, problem=str(error), again="/reset-password"
        )


def _wanted(request: Request) -> str:
    """Return the page that the reader wanted before they were sent to sign in."""
    posted = Form(request).value("next")
    return local_path(posted or request.query_params.get("next"), "/start")
