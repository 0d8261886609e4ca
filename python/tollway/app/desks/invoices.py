"""Invoices as the console lists and shows them, with what was paid, and giving money back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from tollway.app.payments import Payments
from tollway.billing.models import InvoiceStatus
from tollway.billing.payments.models import InvoicePayment, Payment
from tollway.kernel.clock import Clock
from tollway.kernel.currency import currency
from tollway.kernel.money import Money
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database
from tollway.web.console.ports.invoices import InvoiceFilter, InvoicePage, InvoiceRow, InvoiceView, Unpaid
from tollway.web.invoice.convert import invoice_json

__all__ = ["InvoiceDesk"]

_PAGE = 50


class InvoiceDesk:
    """`tollway.web.console.ports.invoices.Invoices`."""

    def __init__(self, main: Database, payments: Payments, clock: Clock) -> None:
        self._main = main
        self._payments = payments
        self._clock = clock

    def page(self, chosen: InvoiceFilter) -> InvoicePage:
        """See `Invoices.page`."""
        with self._main.read() as connection:
            directory = Commerce(connection, self._clock).directory
            found = directory.invoices(
                chosen.mode,
                status=chosen.status,
                unpaid=chosen.unpaid,
                skip=(max(1, chosen.page) - 1) * _PAGE,
                size=_PAGE + 1,
            )
            shown = found[:_PAGE]
            names = directory.names({one.customer for one in shown})
        paid = self._payments.of_invoices([one.summary.id for one in shown])
        rows = [
            InvoiceRow(
                one.summary,
                one.customer,
                names.get(one.customer, one.summary.customer),
                paid.get(one.summary.id),
            )
            for one in shown
        ]
        return InvoicePage(rows, len(found) > _PAGE)

    def invoice(self, invoice: UUID) -> InvoiceView:
        """See `Invoices.invoice`."""
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            found = commerce.invoices.get(invoice)
            subscription = commerce.subscriptions.get(found.subscription)
            customer = commerce.parties.customer(found.customer)
        state = None
        if found.status is InvoiceStatus.FINALISED:
            state = self._payments.of_invoices([invoice]).get(invoice)
        return InvoiceView(
            document=invoice_json(found, subscription, customer.name),
            customer=customer.id,
            state=state,
            payment=None if state is None or state.payment is None else self._payments.get(state.payment),
        )

    def unpaid(self) -> Unpaid:
        """See `Invoices.unpaid`."""
        with self._main.read() as connection:
            found = Commerce(connection, self._clock).directory.unpaid()
        due: dict[str, int] = defaultdict(int)
        for code, minor, _ in found:
            due[code] += minor
        return Unpaid(
            sum(count for _, _, count in found),
            [Money(minor, currency(code)) for code, minor in sorted(due.items())],
        )

    def states(self, invoices: Sequence[UUID]) -> Mapping[UUID, InvoicePayment]:
        """See `Invoices.states`."""
        return self._payments.of_invoices(invoices)

    def payments(self, customer: UUID) -> Sequence[Payment]:
        """See `Invoices.payments`."""
        return self._payments.payments_of(customer)

    def payment(self, payment: UUID) -> Payment:
        """See `Invoices.payment`."""
        return self._payments.get(payment)

    def refund(self, payment: UUID, amount: int, reason: str, refund: UUID) -> Payment:
        """See `Invoices.refund`."""
        return self._payments.refund(payment, amount, reason, refund=refund)
