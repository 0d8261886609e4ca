"""Keys: several, each with a name; made, rotated with an overlap, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.kernel.errors import Conflict, InvalidInput
from tollway.web.portal.context import Portal
from tollway.web.portal.first_call import new_key_page
from tollway.web.portal.ports.keys import ApiKey
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_OVERLAPS = (
    ("At once", timedelta(0)),
    ("In an hour", timedelta(hours=1)),
    ("In a day", timedelta(days=1)),
    ("In a week", timedelta(days=7)),
    ("In two weeks", timedelta(days=14)),
    ("In 30 days", timedelta(days=30)),
)
_NOW = "now"


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _Keys(portal)
    routes.get("/keys", pages.all, access=Access.SIGNED_IN)
    routes.post("/keys", pages.create, access=Access.SIGNED_IN)
    routes.get("/keys/{key}/rotate", pages.rotate_form, access=Access.SIGNED_IN)
    routes.post("/keys/{key}/rotate", pages.rotate, access=Access.SIGNED_IN)
    routes.get("/keys/{key}/revoke", pages.revoke_form, access=Access.SIGNED_IN)
    routes.post("/keys/{key}/revoke", pages.revoke, access=Access.SIGNED_IN)
    routes.nav("Keys", "/keys", order=30)


@dataclass(frozen=True, slots=True)
class Moment:
    """When an old key may end. `value` is what the form sends: the very moment that its reader saw."""

    label: str
    at: datetime
    value: str


@dataclass(frozen=True)
class _Keys:
    portal: Portal

    def all(self, request: Request) -> Response:
        return self._page(request, Form(request))

    def create(self, request: Request) -> Response:
        form, member = Form(request), self.portal.member(request)
        if member.organisation.consumer is None:
            return self.portal.site.redirect(
                "/start", flash="Choose a plan first; keys come with it.", bad=True
            )
        name = form.text("name", longest=60)
        if form.ok:
            try:
                new = self.portal.keys.create(member, name)
            except InvalidInput as error:
                form.fault(error)
            except Conflict as error:
                form.fail("name", str(error))
            else:
                return new_key_page(self.portal, request, new, first=False)
        return self._page(request, form)

    def rotate_form(self, request: Request, key: UUID) -> Response:
        found = self._find(request, key)
        if found.ends_at is not None:
            return self.portal.site.redirect("/keys", flash=f"“{found.name}” is ending already.", bad=True)
        return self._rotate_page(request, Form(request), found)

    def rotate(self, request: Request, key: UUID) -> Response:
        found, form = self._find(request, key), Form(request)
        until = _moment(form.value("until"), self.portal.now())
        if until is None:
            form.fail("until", "Choose one of these.")
        else:
            try:
                new = self.portal.keys.rotate(self.portal.member(request), key, until)
            except InvalidInput as error:
                form.fault(error)
            else:
                return new_key_page(self.portal, request, new, first=False)
        return self._rotate_page(request, form, found)

    def revoke_form(self, request: Request, key: UUID) -> Response:
        return self._revoke_page(request, Form(request), self._find(request, key))

    def revoke(self, request: Request, key: UUID) -> Response:
        found, form = self._find(request, key), Form(request)
        # Typed only where calls would begin to fail.
        if found.calls and form.text("name", longest=60, required=False) != found.name:
            form.fail("name", f"Type {found.name} to confirm.")
            return self._revoke_page(request, form, found)
        lagging = self.portal.keys.revoke(self.portal.member(request).organisation, key)
        told = f"Key “{found.name}” is revoked" + ("." if lagging is None else f", but {lagging}.")
        return self.portal.site.redirect("/keys", flash=told, bad=lagging is not None)

    def _find(self, request: Request, key: UUID) -> ApiKey:
        return self.portal.keys.get(self.portal.member(request).organisation, key)

    def _page(self, request: Request, form: Form) -> Response:
        organisation = self.portal.member(request).organisation
        return self.portal.site.render(
            request,
            "portal/keys.html",
            status=form.status,
            form=form,
            keys=self.portal.keys.of(organisation),
            subscribed=self.portal.joining.subscription(organisation) is not None,
        )

    def _rotate_page(self, request: Request, form: Form, key: ApiKey) -> Response:
        moments = _moments(self.portal.now())
        chosen = form.value("until") or moments[3].value
        return self.portal.site.render(
            request,
            "portal/key_rotate.html",
            status=form.status,
            form=form,
            key=key,
            moments=moments,
            chosen=chosen if chosen in {moment.value for moment in moments} else moments[3].value,
        )

    def _revoke_page(self, request: Request, form: Form, key: ApiKey) -> Response:
        return self.portal.site.render(
            request, "portal/key_revoke.html", status=form.status, form=form, key=key
        )


def _moments(now: datetime) -> Sequence[Moment]:
    """Return when the old key may end: whole minutes, so that what is shown is what is meant."""
    minute = now.replace(second=0, microsecond=0)
    found = [Moment(_OVERLAPS[0][0], now, _NOW)]
    for label, overlap in _OVERLAPS[1:]:
        at = minute + overlap
        found.append(Moment(label, at, str(int(at.timestamp()))))
    return found


def _moment(value: str, now: datetime) -> datetime | None:
    if value == _NOW:
        return now
    if not value.isascii() or not value.isdigit() or len(value) > 11:
        return None
    return datetime.fromtimestamp(int(value), UTC)
