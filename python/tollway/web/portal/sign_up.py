"""Signing up: a form, a mail, a click, and signed in."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from tollway.accounts.errors import LinkUnusable, TooManyAttempts
from tollway.accounts.models import Realm
from tollway.accounts.sessions import LIFETIMES
from tollway.kernel.errors import InvalidInput
from tollway.web.portal.context import Portal
from tollway.web.ui.access import Access, session_token
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes
from tollway.web.ui.sessions import place, signed_in

__all__ = ["SESSION_SECONDS", "add_pages"]

SESSION_SECONDS = int(LIFETIMES[Realm.PORTAL][1].total_seconds())


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _SignUp(portal)
    routes.get("/sign-up", pages.form, access=Access.ANYONE)
    routes.post("/sign-up", pages.send, access=Access.ANYONE)
    routes.get("/check-mail", pages.check_mail, access=Access.ANYONE)
    routes.get("/confirm", pages.confirm_form, access=Access.ANYONE)
    routes.post("/confirm", pages.confirm, access=Access.ANYONE)


@dataclass(frozen=True)
class _SignUp:
    portal: Portal

    def form(self, request: Request, plan: str = "") -> Response:
        if request.state.signed is not None:
            return self.portal.site.redirect(_start(plan))
        return self._page(request, Form(request, plan=plan))

    def send(self, request: Request) -> Response:
        form = Form(request)
        organisation = form.text("organisation", longest=100)
        email = form.email("email")
        password = form.secret("password")
        plan = form.text("plan", longest=128, required=False)
        if not form.checked("terms"):
            form.fail("terms", "Without this no account can be made.")
        if form.ok:
            try:
                self.portal.accounts.sign_up(organisation, email, password, place(request), plan)
            except InvalidInput as error:
                form.fault(error)
            except TooManyAttempts as error:
                form.fail("email", str(error))
        if not form.ok:
            return self._page(request, form)
        return self.portal.site.redirect("/check-mail")

    def check_mail(self, request: Request) -> Response:
        folder = self.portal.mail_folder
        return self.portal.site.render(request, "portal/check_mail.html", mail_folder=folder)

    def confirm_form(self, request: Request, token: str = "", plan: str = "") -> Response:
        # A button, not the link itself: programs that look into mails open every link in them.
        try:
            pending = self.portal.accounts.pending(token)
        except LinkUnusable as error:
            return self._unusable(request, error)
        return self.portal.site.render(
            request, "portal/confirm.html", pending=pending, token=token, plan=plan
        )

    def confirm(self, request: Request) -> Response:
        form = Form(request)
        token, plan = form.value("token"), form.text("plan", longest=128, required=False)
        try:
            session = self.portal.accounts.confirm(token, session_token(request))
        except LinkUnusable as error:
            return self._unusable(request, error)
        return signed_in(self.portal.site, _start(plan), session, seconds=SESSION_SECONDS)

    def _page(self, request: Request, form: Form) -> Response:
        return self.portal.site.render(request, "portal/sign_up.html", status=form.status, form=form)

    def _unusable(self, request: Request, error: LinkUnusable) -> Response:
        return self.portal.site.render(
            request, "portal/link_unusable.html", status=410, problem=str(error), again="/sign-up"
        )


def _start(plan: str) -> str:
    return f"/start?plan={quote(plan, safe='')}" if plan else "/start"
