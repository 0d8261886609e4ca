"""Invoices of all customers, with what was paid of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from tollway.billing.models import InvoiceStatus, InvoiceSummary
from tollway.billing.payments.models import InvoicePayment, Payment
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money

__all__ = ["InvoiceFilter", "InvoicePage", "InvoiceRow", "InvoiceView", "Invoices", "Unpaid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFilter:
    """Which invoices to list. `unpaid` takes final ones of which something is due. Pages count from 1."""

    mode: Mode = Mode.LIVE
    status: InvoiceStatus | None = None
    unpaid: bool = False
    page: int = 1


class InvoiceRow(NamedTuple):
    """An invoice in a list; what the customer calls itself; what was paid of it, None for a draft."""

    summary: InvoiceSummary
    customer: UUID
    name: str
    payment: InvoicePayment | None


class InvoicePage(NamedTuple):
    """Part of the list of invoices, the newest first."""

    rows: Sequence[InvoiceRow]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """A whole invoice as JSON types (`tollway.web.invoice.convert.invoice_json`), and its payment."""

    document: Mapping[str, Any]
    customer: UUID
    state: InvoicePayment | None
    payment: Payment | None


@dataclass(frozen=True, slots=True)
class Unpaid:
    """Final live invoices of which something is due, per currency."""

    count: int
    due: Sequence[Money]


class Invoices(Protocol):
    """Invoices, and giving money back."""

    def page(self, chosen: InvoiceFilter) -> InvoicePage:
        """Return a page of invoices."""

    def invoice(self, invoice: UUID) -> InvoiceView:
        """Return one. Raises `NotFound`."""

    def unpaid(self) -> Unpaid:
        """Return what is due of final live invoices."""

    def states(self, invoices: Sequence[UUID]) -> Mapping[UUID, InvoicePayment]:
        """Return of each final invoice whether it is paid."""

    def payments(self, customer: UUID) -> Sequence[Payment]:
        """Return a customer's payments, the newest first."""

    def payment(self, payment: UUID) -> Payment:
        """Return a payment. Raises `NotFound`."""

    def refund(self, payment: UUID, amount: int, reason: str, refund: UUID) -> Payment:
        """Give back `amount` minor units; the same `refund` is made once.

        Raises:
            NotFound: there is no such payment.
            Conflict: there is nothing to give back, or another provider took it.
            InvalidInput: the amount is not above zero, or more than what is left.
        """
