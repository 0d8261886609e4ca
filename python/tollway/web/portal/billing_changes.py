"""Changing what an organisation has: each is previewed to the cent, and agreed to, before it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import Request
from starlette.responses import Response

from tollway.billing.payments.models import PaymentMethod
from tollway.kernel.errors import NotFound
from tollway.web.portal.context import Portal
from tollway.web.portal.offer.table import sold_plans
from tollway.web.portal.offer.titles import named, plan_title
from tollway.web.portal.ports.billing import ChangePreview
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _Pages(portal)
    routes.get("/billing/change", pages.plan, access=Access.SIGNED_IN)
    routes.post("/billing/change", pages.change, access=Access.SIGNED_IN)
    routes.get("/billing/add-ons/{name}", pages.add_on, access=Access.SIGNED_IN)
    routes.post("/billing/add-ons/{name}", pages.add, access=Access.SIGNED_IN)
    routes.get("/billing/add-ons/{name}/remove", pages.removal, access=Access.SIGNED_IN)
    routes.post("/billing/add-ons/{name}/remove", pages.remove, access=Access.SIGNED_IN)
    routes.get("/billing/cancel", pages.cancelling, access=Access.SIGNED_IN)
    routes.post("/billing/cancel", pages.cancel, access=Access.SIGNED_IN)


class _Pages:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._site = portal.site
        self._billing = portal.billing

    def plan(self, request: Request, plan: str = "") -> Response:
        if not plan:
            return self._site.redirect("/billing#plans")
        return self._plan_preview(request, plan)

    def change(self, request: Request) -> Response:
        posted = _posted(request)
        plan = posted.get("plan", "")
        self._require_sold(plan)
        organisation = self._portal.member(request).organisation
        if not self._billing.change(organisation, plan, posted):
            return self._plan_preview(request, plan, again=True)
        return self._site.redirect(
            "/billing", flash=f"Your plan: {self._plan_title(plan)}. It is in force as stated."
        )

    def add_on(self, request: Request, name: str) -> Response:
        return self._addon_preview(request, name)

    def add(self, request: Request, name: str) -> Response:
        organisation = self._portal.member(request).organisation
        if not self._billing.add_on(organisation, name, _posted(request)):
            return self._addon_preview(request, name, again=True)
        return self._site.redirect(
            "/billing", flash=f"{self._title(name)} is yours now; the gateway knows it."
        )

    def removal(self, request: Request, name: str) -> Response:
        preview = self._billing.preview_removal(self._portal.member(request).organisation, name)
        return self._site.render(
            request, "account/addon_remove.html", preview=preview, name=name, title=self._title(name)
        )

    def remove(self, request: Request, name: str) -> Response:
        self._billing.remove_add_on(self._portal.member(request).organisation, name)
        return self._site.redirect("/billing", flash=f"{self._title(name)} ends with the period.")

    def cancelling(self, request: Request) -> Response:
        view = self._billing.view(self._portal.member(request).organisation)
        if view is None or view.ends_at is not None:
            return self._site.redirect("/billing")
        return self._site.render(request, "account/cancel.html", view=view)

    def cancel(self, request: Request) -> Response:
        ends_at = self._billing.cancel(self._portal.member(request).organisation)
        when = f"{ends_at.day} {ends_at:%b %Y, %H:%M} UTC"
        return self._site.redirect("/billing", flash=f"Cancelled. Everything works until {when}.")

    def _require_sold(self, plan: str) -> None:
        """Refuse a plan that the seller doesn't show: only the seller puts anybody on one of those."""
        sold = sold_plans(self._portal.offers(), self._portal.content().portal)
        if all(version.plan.name != plan for version in sold):
            raise NotFound("plan", plan)

    def _plan_preview(self, request: Request, plan: str, *, again: bool = False) -> Response:
        self._require_sold(plan)
        preview = self._billing.preview_change(self._portal.member(request).organisation, plan)
        heading = f"{self._plan_title(preview.before.plan.name)} to {self._plan_title(plan)}"
        return self._preview(
            request, preview, heading=heading, action="/billing/change", values={"plan": plan}, again=again
        )

    def _addon_preview(self, request: Request, name: str, *, again: bool = False) -> Response:
        preview = self._billing.preview_add_on(self._portal.member(request).organisation, name)
        return self._preview(
            request,
            preview,
            heading=f"Add {self._title(name)}",
            action=f"/billing/add-ons/{name}",
            values={},
            again=again,
        )

    def _preview(
        self,
        request: Request,
        preview: ChangePreview,
        *,
        heading: str,
        action: str,
        values: Mapping[str, str],
        again: bool,
    ) -> Response:
        return self._site.render(
            request,
            "account/preview.html",
            status=409 if again else 200,
            preview=preview,
            heading=heading,
            action=action,
            values={**values, **preview.agreed},
            again=again,
            methods=self._methods(request),
        )

    def _title(self, add_on: str) -> str:
        return named(add_on, self._portal.content().portal)

    def _plan_title(self, plan: str) -> str:
        return plan_title(plan, self._portal.content().portal)

    def _methods(self, request: Request) -> Sequence[PaymentMethod]:
        customer = self._portal.member(request).organisation.customer
        return [] if customer is None else self._portal.paying.methods(customer)


def _posted(request: Request) -> dict[str, str]:
    form = request.state.form
    return {} if form is None else {name: value for name, value in form.items() if isinstance(value, str)}
