"""Payments as they are asked for by invoice number, in major units, as JSON types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from tollway.app.gateway import open_gateway
from tollway.app.payment_worker import PaymentWorker
from tollway.app.payments import Payments, open_payments
from tollway.app.settings import Settings
from tollway.billing.payments.models import Payment, PaymentStatus
from tollway.kernel.clock import Clock, SystemClock
from tollway.kernel.currency import currency
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.mode import Mode
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database
from tollway.web.payments.convert import payment_json

__all__ = ["PaymentDesk", "open_desk"]


class PaymentDesk:
    """What the operator does with payments, from the command line and through the API."""

    def __init__(self, main: Database, payments: Payments, clock: Clock) -> None:
        self._main = main
        self._clock = clock
        self._payments = payments

    def search(
        self,
        *,
        mode: Mode | None = None,
        customer: str | UUID | None = None,
        status: PaymentStatus | None = None,
        before: UUID | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return the payments that match, the newest first; `customer` is a name or an id.

        Raises:
            NotFound: there is no customer of that name.
        """
        wanted: Sequence[UUID | None] = [None] if customer is None else self._customers(customer, mode)
        found = [
            payment
            for id_ in wanted
            for payment in self._payments.search(
                mode=mode, customer=id_, status=status, before=before, limit=limit
            )
        ]
        return self._rows(sorted(found, key=lambda one: one.id, reverse=True)[:limit])

    def show(self, payment: UUID) -> dict[str, Any]:
        """Return a payment.

        Raises:
            NotFound: there is none with this id.
        """
        return self._rows([self._payments.get(payment)])[0]

    def collect(self, invoice: str | None) -> list[dict[str, Any]]:
        """Collect an invoice, given by number or id, now; or all that is due, and look after what is open.

        Raises:
            NotFound, PaymentConflict, LiveProviderRefused: see `Collecting.collect`.
        """
        if invoice is not None:
            return self._rows([self._payments.collecting.collect(self._invoice(invoice))])
        worker = PaymentWorker(self._main, self._payments, self._clock)
        started = self._clock.now()
        while worker.work():
            pass
        return self._rows([one for one in self._payments.search() if one.created_at >= started])

    def refund(
        self, reference: str, amount: str | None, reason: str, *, refund: UUID | None = None
    ) -> dict[str, Any]:
        """Give back `amount`, in major units, of an invoice's payment; or all that is left of it.

        `reference` is the invoice's number, or the payment's id.

        Raises:
            NotFound: there is no such payment.
            PaymentConflict, InvalidInput: see `Refunding.refund`.
        """
        payment = self._payment(reference)
        minor = None if amount is None else _minor(amount, payment.currency)
        return self._rows([self._payments.refund(payment.id, minor, reason, refund=refund)])[0]

    def _payment(self, reference: str) -> Payment:
        with self._main.read() as connection:
            payments = Commerce(connection, self._clock).payments
            try:
                found = payments.get(UUID(reference))
            except ValueError:
                found = None
            if found is None:
                invoice = Commerce(connection, self._clock).invoices.numbered(reference)
                found = None if invoice is None else payments.of_invoice(invoice.id)
        if found is None:
            raise NotFound("payment", reference, "give an invoice's number; tollway payment list shows them")
        return found

    def _invoice(self, reference: str) -> UUID:
        with self._main.read() as connection:
            invoices = Commerce(connection, self._clock).invoices
            found = invoices.numbered(reference)
            if found is not None:
                return found.id
        try:
            return UUID(reference)
        except ValueError:
            raise NotFound("invoice", reference, "tollway invoice list shows their numbers") from None

    def _customers(self, name: str | UUID, mode: Mode | None) -> list[UUID]:
        if isinstance(name, UUID):
            return [name]
        with self._main.read() as connection:
            parties = Commerce(connection, self._clock).parties
            found = [parties.customer_named(name, one) for one in ([mode] if mode else Mode)]
        ids = [one.id for one in found if one is not None]
        if not ids:
            raise NotFound("customer", name)
        return ids

    def _rows(self, payments: Sequence[Payment]) -> list[dict[str, Any]]:
        with self._main.read() as connection:
            parties = Commerce(connection, self._clock).parties
            names = parties.customers({payment.customer for payment in payments})
        return [payment_json(payment, names[payment.customer].name) for payment in payments]


@contextmanager
def open_desk(settings: Settings) -> Iterator[PaymentDesk]:
    """Open the main database, bring it up to date, and wire payments to it."""
    clock = SystemClock()
    with open_gateway(settings, clock) as store:
        yield PaymentDesk(store.database, open_payments(store.database, settings, clock), clock)


def _minor(text: str, code: str) -> int:
    """Read an amount in major units; what is longer than any amount is refused unread."""
    unit = currency(code)
    match = re.fullmatch(r"(-?\d{1,15})(?:\.(\d{1,4}))?", text, re.ASCII)
    decimals = (match.group(2) or "").rstrip("0") if match else ""
    if match is None or len(decimals) > unit.exponent:
        raise InvalidInput("amount", f"{text[:40]!r} is no amount of {code}", "write a decimal, e.g. 12.50")
    return int(match.group(1) + decimals.ljust(unit.exponent, "0"))
