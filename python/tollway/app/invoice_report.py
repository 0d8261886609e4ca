"""Invoices as they are asked for: by number or id, as JSON types, with the requests behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from tollway.app.commerce import Seller
from tollway.app.usage_report import event_rows
from tollway.billing.models import Invoice, InvoiceStatus, Subscription
from tollway.billing.reading import events_behind
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.mode import Mode
from tollway.storage.commerce import Commerce
from tollway.web.invoice.convert import invoice_json, summary_json

__all__ = ["find_invoice", "invoice_document", "invoice_events", "preview_document", "summaries"]


def find_invoice(seller: Seller, reference: str) -> Invoice:
    """Return the invoice of this number or id.

    Raises:
        NotFound: there is none.
    """
    with seller.usage.main.read() as connection:
        invoices = Commerce(connection, seller.clock).invoices
        found = invoices.numbered(reference)
        if found is not None:
            return found
        try:
            return invoices.get(UUID(reference))
        except (ValueError, NotFound):
            raise NotFound("invoice", reference, "tollway invoice list shows their numbers") from None


def invoice_document(seller: Seller, invoice: Invoice) -> dict[str, Any]:
    """Return a whole invoice, stored or previewed, as JSON types."""
    with seller.usage.main.read() as connection:
        commerce = Commerce(connection, seller.clock)
        subscription = commerce.subscriptions.get(invoice.subscription)
        return invoice_json(invoice, subscription, commerce.parties.customer(invoice.customer).name)


def preview_document(seller: Seller, subscription: Subscription) -> dict[str, Any]:
    """Return a subscription's next invoice, with everything that is metered by now, as JSON types.

    `subscription` need not be as it is stored: a change of plan is previewed before it is made.

    Raises:
        NotFound: nothing will be invoiced any more.
    """
    seller.usage.worker.catch_up()
    invoice = seller.invoicing().forecast(subscription).first
    if invoice is None:
        raise NotFound("next invoice for consumer", subscription.consumer_name)
    with seller.usage.main.read() as connection:
        customer = Commerce(connection, seller.clock).parties.customer(invoice.customer)
    return invoice_json(invoice, subscription, customer.name)


def summaries(
    seller: Seller, *, customer: str | None, mode: Mode | None, status: InvoiceStatus | None
) -> list[dict[str, Any]]:
    """Return the invoices that match, a row each, the newest period last."""
    with seller.usage.main.read() as connection:
        invoices = Commerce(connection, seller.clock).invoices
        return [
            summary_json(found) for found in invoices.summaries(mode=mode, customer=customer, status=status)
        ]


def invoice_events(seller: Seller, invoice: Invoice, number: int | None) -> Iterator[dict[str, Any]]:
    """Yield the usage events behind an invoice's lines, or behind the line of this number (from 1).

    For a meter that counts, they are as many as the line's quantity; each has its line's number.

    Raises:
        InvalidInput: there is no such line.
    """
    if number is not None and not 1 <= number <= len(invoice.lines):
        raise InvalidInput("--line", f"{number} is no line of it", f"give 1 to {len(invoice.lines)}")
    chosen = enumerate(invoice.lines, start=1)
    for position, line in chosen:
        if line.usage is not None and number in {None, position}:
            for event in event_rows(seller.usage, events_behind(invoice, line)):
                yield {"line": position, **event}
