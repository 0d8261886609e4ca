"""Getting started: choose a plan, and the first key is there."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from tollway.kernel.errors import Conflict, InvalidInput
from tollway.web.portal.context import Portal
from tollway.web.portal.first_call import new_key_page
from tollway.web.portal.offer.table import PlanTable, plan_table
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_FIRST_KEY = "default"


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _Start(portal)
    routes.get("/start", pages.choose, access=Access.SIGNED_IN)
    routes.post("/start", pages.take, access=Access.SIGNED_IN)


@dataclass(frozen=True)
class _Start:
    portal: Portal

    def choose(self, request: Request, plan: str = "") -> Response:
        if self.portal.joining.subscription(self.portal.member(request).organisation) is not None:
            return self.portal.site.redirect("/keys")
        return self._page(request, Form(request, plan=plan))

    def take(self, request: Request) -> Response:
        member = self.portal.member(request)
        form = Form(request)
        table = self._table()
        plan = form.choice("plan", [column.name for column in table.columns] if table else [])
        if not form.ok:
            return self._page(request, form)
        try:
            organisation = self.portal.joining.take_plan(member.organisation.id, plan)
        except Conflict:
            # A second click, or another of its people was first: either way it has a plan now.
            return self.portal.site.redirect("/keys")
        try:
            new = self.portal.keys.create(member.of(organisation), _FIRST_KEY)
        except InvalidInput:
            return self.portal.site.redirect("/keys")
        return new_key_page(self.portal, request, new, first=True)

    def _page(self, request: Request, form: Form) -> Response:
        table = self._table()
        names = [column.name for column in table.columns] if table else []
        picked = next((column.name for column in table.columns if column.picked), "") if table else ""
        chosen = form.value("plan") if form.value("plan") in names else picked or (names[0] if names else "")
        return self.portal.site.render(
            request, "portal/start.html", status=form.status, form=form, table=table, chosen=chosen
        )

    def _table(self) -> PlanTable | None:
        return plan_table(self.portal.offers(), self.portal.content().portal)
