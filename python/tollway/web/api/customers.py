"""Customers: who pays."""

from __future__ import annotations

from fastapi import APIRouter

from tollway.kernel.mode import Mode
from tollway.web.api.convert import customer_out
from tollway.web.api.models import CustomerOut
from tollway.web.api.paging import CursorParam, LimitParam, Page, cursor_id, page
from tollway.web.api.ports import Sold
from tollway.web.api.problem import parsed_id

__all__ = ["customers_router"]


def customers_router(sold: Sold) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["customers"])

    @router.get("/customers", summary="List customers, the oldest first")
    def customers(
        mode: Mode | None = None, limit: LimitParam = 50, cursor: CursorParam = None
    ) -> Page[CustomerOut]:
        with sold.view() as view:
            found = view.listings.customers(mode=mode, after=cursor_id(cursor), limit=limit + 1)
        return page(found, limit, lambda one: [str(one.id)], customer_out)

    @router.get("/customers/{customer}", summary="Read a customer")
    def customer(customer: str) -> CustomerOut:
        with sold.view() as view:
            return customer_out(view.parties.customer(parsed_id(customer, "customer")))

    return router
