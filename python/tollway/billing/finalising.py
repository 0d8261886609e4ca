"""Finalising: from then on an invoice has a number, its parties as they were, and entries in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count as count_from

from tollway.billing.errors import AlreadyFinalised, CurrencyFixed
from tollway.billing.models import (
    Customer,
    Invoice,
    InvoiceStatus,
    LineKind,
    SellerEntity,
)
from tollway.billing.ports import NumberSeries
from tollway.billing.requirements import check_supplier
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.ledger.models import Account, AccountKind, Book, Entry, Transaction

__all__ = ["check_final", "ledger_key", "ledger_transaction", "made_final"]

_SERIES = "invoice"
_REVENUE = {
    LineKind.FEE: "revenue:fees",
    LineKind.CREDIT: "revenue:fees",
    LineKind.USAGE: "revenue:usage",
    LineKind.LATE_USAGE: "revenue:usage",
}


def check_final(invoice: Invoice, seller: SellerEntity, customer: Customer) -> None:
    """Refuse what must not be finalised, before it takes a number.

    Raises:
        AlreadyFinalised: it is final.
        DetailMissing: the seller's details don't suffice.
        CurrencyFixed: the customer is billed in another currency.
    """
    if invoice.status is InvoiceStatus.FINALISED:
        raise AlreadyFinalised(f"invoice {invoice.number} is final")
    check_supplier(seller.details, invoice.mode, seller.slug)
    if customer.billing_currency not in {None, invoice.currency}:
        raise CurrencyFixed(
            f"customer {customer.name!r} is billed in {customer.billing_currency}, not in {invoice.currency}"
        )


def made_final(
    invoices: Sequence[tuple[Invoice, SellerEntity, Customer]], numbers: NumberSeries, now: datetime
) -> list[Invoice]:
    """Return invoices that `check_final` let pass as they are finalised at `now`, in order.

    Their numbers are the next of their series, taken last and in the caller's transaction: whatever is
    refused leaves no gap.
    """
    counts = Counter((seller.id, invoice.mode) for invoice, seller, _ in invoices)
    following = {
        (seller, mode): count_from(numbers.take(seller, _SERIES, mode, count))
        for (seller, mode), count in counts.items()
    }
    return [
        _made_final(invoice, seller, customer, next(following[seller.id, invoice.mode]), now)
        for invoice, seller, customer in invoices
    ]


def _made_final(
    invoice: Invoice, seller: SellerEntity, customer: Customer, number: int, now: datetime
) -> Invoice:
    test = "TEST-" if invoice.mode is Mode.TEST else ""
    return replace(
        invoice,
        status=InvoiceStatus.FINALISED,
        number=f"{test}{seller.invoice_prefix}{number:06d}",
        supplier=seller.details,
        recipient=replace(customer.details, name=customer.details.name or customer.name),
        finalised_at=now,
    )


def ledger_key(invoice: Invoice) -> str:
    """Return the business key under which an invoice's finalising is posted."""
    return f"invoice:{invoice.id}:finalised"


def ledger_transaction(invoice: Invoice) -> Transaction | None:
    """Return what finalising an invoice posts: what the customer owes, against revenue by kind of line.

    None for an invoice that comes to nothing on every account.
    """
    assert invoice.finalised_at is not None, "only a finalised invoice is posted"
    book = Book(invoice.seller_entity, invoice.mode)
    # What comes out below zero is owed to the customer: a credit balance, not a negative claim.
    owed, kind = (
        ("receivable", AccountKind.ASSET)
        if invoice.total >= 0
        else ("customer_credit", AccountKind.LIABILITY)
    )
    amounts = {Account(book, owed, kind, invoice.currency, invoice.customer): invoice.total}
    for line in invoice.lines:
        revenue = Account(book, _REVENUE[line.kind], AccountKind.REVENUE, invoice.currency)
        amounts[revenue] = amounts.get(revenue, 0) - line.total
    entries = tuple(Entry(account, amount) for account, amount in amounts.items() if amount)
    if not entries:
        return None
    return Transaction(
        id=new_id(),
        book=book,
        key=ledger_key(invoice),
        description=f"Invoice {invoice.number}",
        effective_at=invoice.finalised_at,
        entries=entries,
    )
