"""Invoices, whole and line by line."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from tollway.billing.models import InvoiceStatus
from tollway.kernel.errors import NotFound
from tollway.kernel.mode import Mode
from tollway.web.api.models import InvoiceOut, InvoiceRow, LineOut
from tollway.web.api.paging import CursorParam, LimitParam, Page, cursor_id, cursor_key, page
from tollway.web.api.ports import Sold, View
from tollway.web.invoice.convert import invoice_json, summary_json

__all__ = ["invoices_router"]


def invoices_router(sold: Sold) -> APIRouter:
    """Make the routes. An invoice is named by its id, or by its number once it is final."""
    router = APIRouter(prefix="/invoices", tags=["invoices"])

    @router.get("", summary="List invoices, the oldest first")
    def invoices(
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        subscription: UUID | None = None,
        status: InvoiceStatus | None = None,
        limit: LimitParam = 50,
        cursor: CursorParam = None,
    ) -> Page[InvoiceRow]:
        with sold.view() as view:
            found = view.listings.invoices(
                mode=mode,
                customer=customer,
                subscription=subscription,
                status=status,
                after=cursor_id(cursor),
                limit=limit + 1,
            )
        return page(
            found,
            limit,
            lambda one: [str(one.id)],
            lambda one: InvoiceRow.model_validate(summary_json(one)),
        )

    @router.get("/{invoice}", summary="Read an invoice with its lines")
    def invoice(invoice: str) -> InvoiceOut:
        with sold.view() as view:
            return _invoice(view, invoice)

    @router.get("/{invoice}/lines", summary="Read an invoice's lines a page at a time")
    def lines(invoice: str, limit: LimitParam = 50, cursor: CursorParam = None) -> Page[LineOut]:
        after = cursor_key(cursor, int)
        with sold.view() as view:
            found = _invoice(view, invoice).lines
        rest = [line for line in found if after is None or line.line > int(after[0])]
        return page(rest, limit, lambda line: [line.line], lambda line: line)

    return router


def _invoice(view: View, reference: str) -> InvoiceOut:
    found = view.invoices.numbered(reference)
    if found is None:
        try:
            found = view.invoices.get(UUID(reference))
        except ValueError:
            raise NotFound("invoice", reference) from None
    subscription = view.subscriptions.get(found.subscription)
    customer = view.parties.customer(found.customer)
    return InvoiceOut.model_validate(invoice_json(found, subscription, customer.name))
