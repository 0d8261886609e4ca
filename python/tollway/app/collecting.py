"""Collecting: an attempt is stored, the provider is asked, the answer is stored; never two of them at once.

A process may die between any two of these. What was stored before the provider was asked says what may have
been asked; `take_up` then asks the provider what it has, and sends again, under the same key, only what the
provider never took up. No call is made within a transaction: a slow provider must not keep others from
writing.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog

from tollway.app.payment_store import Change, PaymentStore
from tollway.billing.models import Invoice, InvoiceStatus
from tollway.billing.payments.attempts import ABANDONED, begin, put_off, record, refused, unknown
from tollway.billing.payments.errors import LiveProviderRefused, PaymentConflict
from tollway.billing.payments.models import Attempt, AttemptStatus, Payment, PaymentMethod
from tollway.billing.payments.ports import PaymentProvider
from tollway.billing.payments.posting import CUSTOMER_CREDIT, credit_posting
from tollway.billing.payments.results import (
    ChargeResult,
    PermanentFault,
    ProviderError,
    TemporaryFault,
    UnknownOutcome,
)
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.failpoint import failpoint
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.ledger.models import Book
from tollway.ledger.service import post
from tollway.storage.commerce import Commerce

__all__ = ["Browser", "Collecting"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Browser:
    """A customer who is there: the portal's origin, and where the browser comes back to after an action."""

    origin: str
    return_url: str

    def __post_init__(self) -> None:
        for name, text, longest in (("origin", self.origin, 255), ("return_url", self.return_url, 2000)):
            if len(text) > longest:
                raise InvalidInput(name, f"has {len(text)} characters", f"use at most {longest}")


class Collecting:
    """Takes the money of final invoices through one provider."""

    def __init__(self, store: PaymentStore, provider: PaymentProvider) -> None:
        self._store = store
        self._provider = provider

    def collect(
        self, invoice: UUID, *, method: UUID | None = None, browser: Browser | None = None
    ) -> Payment:
        """Charge a saved method, the default one unless `method` is given, for a final invoice.

        An invoice that is being paid already is left alone, and its payment returned as it stands.

        Raises:
            NotFound: there is no such invoice or method.
            PaymentConflict: the invoice is a draft, or paid, or there is no saved method.
            LiveProviderRefused: it is a test invoice, and the provider moves real money.
            ProviderError: the attempt before could not be closed; try again.
        """
        self._close_last(invoice, present=browser is not None)
        payment, attempt = self._begin(invoice, method, browser)
        if attempt is None:
            return payment
        failpoint("payments.begun")
        return self._charge(payment, attempt)

    def take_up(self, payment: Payment, attempt: Attempt) -> Payment:
        """Go on with an attempt that was claimed, by what the provider says of it."""
        if attempt.provider != self._provider.name:
            log.warning("a payment waits for its provider", provider=attempt.provider)
            return payment
        try:
            if attempt.reference is None:
                result = self._provider.find_charge(self._store.request(payment, attempt))
            else:
                result = self._state(attempt, attempt.reference)
        except ProviderError as fault:
            # The question failed, which says nothing about the charge.
            return self._store.change(payment.id, _later(attempt.number, str(fault)))
        if result is None:
            return self._charge(payment, attempt)
        return self._store.change(payment.id, _recorded(attempt.number, result))

    def changed(self, reference: str) -> None:
        """Ask how a charge stands, because something said that it changed."""
        with self._store.main.read() as connection:
            payments = Commerce(connection, self._store.clock).payments
            payment = payments.with_charge(self._provider.name, reference)
        if payment is None:
            # Not ours, or its answer isn't stored yet: then whoever asked stores it, or takes it up.
            return
        result = self._provider.charge_state(reference)
        number = next(one.number for one in payment.attempts if one.reference == reference)
        self._store.change(payment.id, _recorded(number, result))

    def _begin(
        self, invoice_id: UUID, method: UUID | None, browser: Browser | None
    ) -> tuple[Payment, Attempt | None]:
        """Store a new attempt; None where one is open, or where a credit balance paid it all."""
        now = self._store.clock.now()
        with self._store.main.write() as connection:
            commerce = Commerce(connection, self._store.clock)
            invoice = commerce.invoices.get(invoice_id)
            self._require_collectable(invoice)
            commerce.payments.lock_customer(invoice.customer)
            payment = commerce.payments.of_invoice(invoice.id, lock=True)
            if payment is None:
                payment = self._open(commerce, invoice)
            if payment.amount == 0 or (payment.last is not None and payment.last.status.open):
                return payment, None
            payment = begin(
                payment,
                self._method(commerce, payment, method),
                now,
                lease=self._store.lease,
                present=browser is not None,
                origin="" if browser is None else browser.origin,
                return_url="" if browser is None else browser.return_url,
            )
            commerce.payments.save(payment)
        return payment, payment.last

    def _open(self, commerce: Commerce, invoice: Invoice) -> Payment:
        """Make an invoice's payment. What the seller owes the customer pays first."""
        book = Book(invoice.seller_entity, invoice.mode)
        owed = sum(
            -balance
            for account, balance in commerce.journal.balances(book, owner=invoice.customer).items()
            if account.name == CUSTOMER_CREDIT and account.currency == invoice.currency
        )
        applied = max(0, min(owed, invoice.total))
        assert invoice.number is not None, "a final invoice has a number"
        payment = Payment(
            id=new_id(),
            mode=invoice.mode,
            seller_entity=invoice.seller_entity,
            customer=invoice.customer,
            invoice=invoice.id,
            invoice_number=invoice.number,
            currency=invoice.currency,
            amount=invoice.total - applied,
            credit_applied=applied,
            created_at=self._store.clock.now(),
        )
        commerce.payments.add(payment)
        posting = credit_posting(payment, payment.created_at)
        if posting is not None:
            post(commerce.journal, posting)
        return payment

    def _method(self, commerce: Commerce, payment: Payment, method: UUID | None) -> PaymentMethod:
        saved = commerce.methods.of_customer(payment.customer, self._provider.name)
        if method is not None:
            saved = [one for one in saved if one.id == method]
            if not saved:
                raise NotFound("payment method", str(method))
        if not saved:
            raise PaymentConflict(
                f"invoice {payment.invoice_number} can't be collected: its customer has no saved method"
            )
        return saved[0]

    def _require_collectable(self, invoice: Invoice) -> None:
        if invoice.status is not InvoiceStatus.FINALISED:
            raise PaymentConflict(f"invoice {invoice.id} is a draft; only final invoices are paid")
        if invoice.total <= 0:
            raise PaymentConflict(f"invoice {invoice.number} has nothing to pay")
        if invoice.mode is Mode.TEST and self._provider.moves_real_money:
            raise LiveProviderRefused(
                f"invoice {invoice.number} is of test mode, and {self._provider.name} would take real money; "
                "use the sandbox or a test key"
            )

    def _close_last(self, invoice: UUID, *, present: bool) -> None:
        """Have the provider close the attempt before, so that its money can't be taken beside the next one's.

        A charge that waits for a confirmation is closed only for a customer who is here and pays anew. One
        that was declined may still be paid from the bank's page, left open in another window.
        """
        with self._store.main.read() as connection:
            payment = Commerce(connection, self._store.clock).payments.of_invoice(invoice)
        last = None if payment is None else payment.last
        if payment is None or last is None or last.reference is None or payment.status.paid:
            return
        waits = last.status is AttemptStatus.REQUIRES_ACTION and present
        if last.provider == self._provider.name and (waits or last.status is AttemptStatus.DECLINED):
            result = self._provider.cancel_charge(last.reference)
            self._store.change(payment.id, _recorded(last.number, result))

    def _charge(self, payment: Payment, attempt: Attempt) -> Payment:
        number = attempt.number
        request = self._store.request(payment, attempt)
        change: Change
        try:
            change = _recorded(number, self._provider.charge(request))
        except PermanentFault as fault:
            change = _refused(number, fault)
        except TemporaryFault as fault:
            change = _later(number, str(fault))
        except UnknownOutcome as fault:
            change = _unknown(number, str(fault))
        failpoint("payments.charged")
        return self._store.change(payment.id, change)

    def _state(self, attempt: Attempt, reference: str) -> ChargeResult:
        waited = self._store.clock.now() - attempt.started_at
        if attempt.status is AttemptStatus.REQUIRES_ACTION and waited > ABANDONED:
            return self._provider.cancel_charge(reference)
        return self._provider.charge_state(reference)


def _recorded(number: int, result: ChargeResult) -> Change:
    return lambda payment, now: record(payment, number, result, now)


def _refused(number: int, fault: PermanentFault) -> Change:
    return lambda payment, now: refused(payment, number, fault, now)


def _later(number: int, reason: str) -> Change:
    return lambda payment, now: put_off(payment, number, reason, now)


def _unknown(number: int, reason: str) -> Change:
    return lambda payment, now: unknown(payment, number, reason, now)
