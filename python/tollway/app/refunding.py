"""Giving money back: stored, then asked for, then the answer stored, as collecting does it."""

from __future__ import annotations

from uuid import UUID

from tollway.app.payment_store import Change, PaymentStore
from tollway.billing.payments.errors import PaymentConflict
from tollway.billing.payments.models import Payment, Refund
from tollway.billing.payments.ports import PaymentProvider
from tollway.billing.payments.refunding import begin_refund, record_refund, refund_request, refund_waits
from tollway.billing.payments.results import (
    PermanentFault,
    ProviderError,
    RefundResult,
    RefundStatus,
    TemporaryFault,
    UnknownOutcome,
)
from tollway.kernel.errors import NotFound
from tollway.kernel.failpoint import failpoint
from tollway.storage.commerce import Commerce

__all__ = ["Refunding"]


class Refunding:
    """Gives back money that one provider took."""

    def __init__(self, store: PaymentStore, provider: PaymentProvider) -> None:
        self._store = store
        self._provider = provider

    def refund(
        self, payment: UUID, amount: int | None = None, reason: str = "", *, refund: UUID | None = None
    ) -> Payment:
        """Give back `amount` minor units, or all that is left. The same `refund` is made once.

        Raises:
            NotFound: there is no such payment.
            PaymentConflict: there is nothing to give back, or another provider took it.
            InvalidInput: the amount is not above zero, or more than what is left.
        """
        with self._store.main.write() as connection:
            payments = Commerce(connection, self._store.clock).payments
            found = payments.get(payment, lock=True)
            if found is None:
                raise NotFound("payment", str(payment))
            if refund is not None and any(one.id == refund for one in found.refunds):
                return found
            self._require_provider(found)
            now = self._store.clock.now()
            found, made = begin_refund(found, amount, reason, now, lease=self._store.lease, refund=refund)
            payments.save(found)
        failpoint("payments.refund_begun")
        return self._send(found, made)

    def take_up(self, payment: Payment, refund: Refund) -> Payment:
        """Go on with a refund that was claimed, by what the provider says of it."""
        if payment.collected is None or payment.collected.provider != self._provider.name:
            return payment
        try:
            if refund.reference is None:
                result = self._provider.find_refund(refund_request(payment, refund))
            else:
                result = self._provider.refund_state(refund.reference)
        except ProviderError as fault:
            return self._store.change(payment.id, _waits(refund.id, refund.status, str(fault)))
        if result is None:
            return self._send(payment, refund)
        return self._store.change(payment.id, _recorded(result))

    def changed(self, reference: str) -> None:
        """Ask how a refund stands, because something said that it changed; it may be new to us."""
        result = self._provider.refund_state(reference)
        with self._store.main.read() as connection:
            payments = Commerce(connection, self._store.clock).payments
            payment = payments.with_charge(self._provider.name, result.charge)
        if payment is not None:
            self._store.change(payment.id, _recorded(result))

    def _require_provider(self, payment: Payment) -> None:
        collected = payment.collected
        if collected is not None and collected.provider != self._provider.name:
            raise PaymentConflict(
                f"invoice {payment.invoice_number} was paid through {collected.provider}; "
                f"set TOLLWAY_PAYMENT_PROVIDER={collected.provider} to give its money back"
            )

    def _send(self, payment: Payment, refund: Refund) -> Payment:
        change: Change
        try:
            change = _recorded(self._provider.refund(refund_request(payment, refund)))
        except PermanentFault as fault:
            change = _waits(refund.id, RefundStatus.FAILED, str(fault))
        except TemporaryFault as fault:
            change = _waits(refund.id, refund.status, str(fault))
        except UnknownOutcome as fault:
            change = _waits(refund.id, RefundStatus.UNKNOWN, str(fault))
        failpoint("payments.refunded")
        return self._store.change(payment.id, change)


def _recorded(result: RefundResult) -> Change:
    return lambda payment, now: record_refund(payment, result, now)


def _waits(refund: UUID, status: RefundStatus, reason: str) -> Change:
    return lambda payment, now: refund_waits(payment, refund, status, reason, now)
