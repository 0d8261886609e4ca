"""Customers: the list, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from markupsafe import Markup
from starlette.responses import Response

from tollway.billing.overview import MeterUse
from tollway.kernel.mode import Mode
from tollway.support.models import TicketSummary
from tollway.web.console.context import Console
from tollway.web.console.ports.customers import ActivityDay, CustomerFilter, CustomerView
from tollway.web.ui.access import Access
from tollway.web.ui.charts import TickState, bars, meter, twin
from tollway.web.ui.paging import page_number
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_TICKETS = 10


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    routes.get("/customers", pages.listing, access=Access.SIGNED_IN)
    routes.get("/customers/{customer}", pages.one, access=Access.SIGNED_IN)
    routes.nav("Customers", "/customers", order=10, group="Business")


class _Pages:
    def __init__(self, console: Console) -> None:
        self._console = console

    def listing(self, request: Request, q: str = "", plan: str = "", mode: str = "live") -> Response:
        chosen = CustomerFilter(
            mode=Mode.TEST if mode == Mode.TEST else Mode.LIVE,
            text=q.strip()[:200],
            plan=plan[:100],
            page=page_number(request),
        )
        found = self._console.customers.page(chosen)
        return self._console.site.render(
            request,
            "console/customers.html",
            chosen=chosen,
            found=found,
            previous=_link(chosen, chosen.page - 1) if chosen.page > 1 else None,
            following=_link(chosen, chosen.page + 1) if found.more else None,
            now=self._console.clock.now(),
        )

    def one(self, request: Request, customer: UUID) -> Response:
        view = self._console.customers.customer(customer)
        now = self._console.clock.now()
        return self._console.site.render(
            request,
            "console/customer.html",
            view=view,
            now=now,
            phase=None if view.subscription is None else view.subscription.phase_at(now),
            call_bars=bars([day.calls for day in view.days], height=48),
            call_table=_table(view.days),
            busiest=max(view.days, key=_calls),
            limits=_limits(view),
            states=self._console.invoices.states([invoice.id for invoice in view.invoices]),
            payments=self._console.invoices.payments(customer),
            owner=self._console.owners.of_customer(customer),
            tickets=self._tickets(customer),
        )

    def _tickets(self, customer: UUID) -> Sequence[TicketSummary]:
        owner = self._console.owners.of_customer(customer)
        return () if owner is None else self._console.tickets.page(organisation=owner[0].id, limit=_TICKETS)


def _link(chosen: CustomerFilter, page: int) -> str:
    named = {"q": chosen.text, "plan": chosen.plan, "page": str(page)}
    if chosen.mode is Mode.TEST:
        named["mode"] = chosen.mode.value
    return "/customers?" + urlencode({name: value for name, value in named.items() if value})


def _calls(day: ActivityDay) -> int:
    return day.calls


def _limits(view: CustomerView) -> list[tuple[MeterUse, Markup | None]]:
    """Each meter with its limit drawn, where it has one."""
    return [(one, None if one.limit is None else _drawn(one.used, one.limit)) for one in view.meters]


def _drawn(used: Decimal, limit: int) -> Markup:
    title = f"{used:f} of {limit} used"
    return meter(min(used, Decimal(limit)), limit, title=title, state=_state(used, limit), count=48)


def _state(used: Decimal, limit: int) -> TickState:
    if used * 20 >= limit * 19:
        return "x"
    return "w" if used * 5 >= limit * 4 else "p"


def _table(days: Sequence[ActivityDay]) -> Markup:
    rows = [(f"{day.day.day} {day.day:%b %Y}", f"{day.calls:,}", f"{day.errors:,}") for day in days]
    return twin(("Day, UTC", "Calls", "Errors (5xx)"), rows)
