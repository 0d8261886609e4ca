"""What an operator does to a customer's subscription: plan and add-ons after a preview, cancelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.billing.subscriptions import Timing
from tollway.kernel.errors import Conflict, InvalidInput, NotFound
from tollway.web.console.context import Console
from tollway.web.console.ports.customers import Agreed, ChangePreview, CustomerView
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


_MOVED_ON = "The preview is too old, or the price has changed. This is how it is now; agree to it once more."


def _agreed(form: Form) -> Agreed:
    return Agreed(form.value("at"), form.value("version"))


class _Option(NamedTuple):
    name: str
    note: str


class _Choice(NamedTuple):
    """What is chosen from on a page: its field, and what the page and its buttons say."""

    field: str
    label: str
    title: str
    act: str
    leave: str
    options: Sequence[_Option]


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    at = "/customers/{customer}"
    routes.get(f"{at}/plan", pages.preview_plan, access=Access.SIGNED_IN)
    routes.post(f"{at}/plan", pages.change, access=Access.SIGNED_IN)
    routes.get(f"{at}/add-on", pages.preview_add_on, access=Access.SIGNED_IN)
    routes.post(f"{at}/add-on", pages.add, access=Access.SIGNED_IN)
    routes.post(f"{at}/add-on/remove", pages.remove, access=Access.SIGNED_IN)
    routes.get(f"{at}/cancel", pages.ask, access=Access.SIGNED_IN)
    routes.post(f"{at}/cancel", pages.cancel, access=Access.SIGNED_IN)


class _Pages:
    def __init__(self, console: Console) -> None:
        self._customers = console.customers
        self._site = console.site

    def preview_plan(self, request: Request, customer: UUID, plan: str = "") -> Response:
        return self._plans(request, customer, plan)

    def change(self, request: Request, customer: UUID) -> Response:
        form = Form(request)
        plan = form.value("plan")
        try:
            timing = self._customers.change(customer, plan, _agreed(form))
        except (Conflict, InvalidInput, NotFound) as error:
            return self._plans(request, customer, "", problem=str(error))
        if timing is None:
            return self._plans(request, customer, plan, problem=_MOVED_ON)
        when = "now" if timing is Timing.NOW else "when the period ends"
        return self._site.redirect(f"/customers/{customer}", flash=f"Changed to {plan}, {when}.")

    def preview_add_on(self, request: Request, customer: UUID, addon: str = "") -> Response:
        return self._addons(request, customer, addon)

    def add(self, request: Request, customer: UUID) -> Response:
        form = Form(request)
        addon = form.value("addon")
        try:
            done = self._customers.add_on(customer, addon, _agreed(form))
        except (Conflict, InvalidInput, NotFound) as error:
            return self._addons(request, customer, "", problem=str(error))
        if not done:
            return self._addons(request, customer, addon, problem=_MOVED_ON)
        return self._site.redirect(f"/customers/{customer}", flash=f"{addon} added. It is in force now.")

    def remove(self, request: Request, customer: UUID) -> Response:
        addon = Form(request).value("addon")
        self._customers.remove_add_on(customer, addon)
        return self._site.redirect(
            f"/customers/{customer}", flash=f"{addon} ends with the period; until then it stays in force."
        )

    def ask(self, request: Request, customer: UUID) -> Response:
        view = self._customers.customer(customer)
        return self._site.render(request, "console/cancel.html", view=view)

    def cancel(self, request: Request, customer: UUID) -> Response:
        timing = Timing.NOW if Form(request).value("when") == "now" else Timing.PERIOD_END
        self._customers.cancel(customer, timing)
        when = "It has ended." if timing is Timing.NOW else "It ends with its period."
        return self._site.redirect(f"/customers/{customer}", flash=f"Subscription cancelled. {when}")

    def _plans(self, request: Request, customer: UUID, plan: str, *, problem: str | None = None) -> Response:
        view = self._customers.customer(customer)
        options = [
            _Option(one.plan.name, f"version {one.version}, billed each {one.plan.interval.value}")
            for one in view.plans
        ]
        choice = _Choice("plan", "Plan", "Change plan", f"Change to {plan}", "Keep the plan", options)
        return self._page(
            request, view, choice, chosen=plan, preview=self._customers.preview_change, problem=problem
        )

    def _addons(
        self, request: Request, customer: UUID, addon: str, *, problem: str | None = None
    ) -> Response:
        view = self._customers.customer(customer)
        options = [
            _Option(one.addon.name, ", ".join(sorted(one.addon.features)) or "no feature")
            for one in view.addons
        ]
        choice = _Choice("addon", "Add-on", "Add an add-on", f"Add {addon}", "Leave it", options)
        return self._page(
            request, view, choice, chosen=addon, preview=self._customers.preview_add_on, problem=problem
        )

    def _page(
        self,
        request: Request,
        view: CustomerView,
        choice: _Choice,
        *,
        chosen: str,
        preview: Callable[[UUID, str], ChangePreview],
        problem: str | None,
    ) -> Response:
        found = None
        if chosen:
            try:
                found = preview(view.customer.id, chosen)
            except (Conflict, InvalidInput, NotFound) as error:
                problem = str(error)
        return self._site.render(
            request,
            "console/change.html",
            status=422 if problem else 200,
            view=view,
            choice=choice,
            chosen=chosen,
            preview=found,
            problem=problem,
        )
