"""A refund's states: how it begins, and what an answer of the provider makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tollway.billing.payments.attempts import pause
from tollway.billing.payments.errors import PaymentConflict
from tollway.billing.payments.models import Payment, Refund
from tollway.billing.payments.results import RefundRequest, RefundResult, RefundStatus
from tollway.kernel.currency import currency
from tollway.kernel.errors import InvalidInput
from tollway.kernel.ids import new_id
from tollway.kernel.money import Money

__all__ = ["begin_refund", "record_refund", "refund_of", "refund_request", "refund_waits"]

_LONGEST_REASON = 500


def begin_refund(
    payment: Payment,
    amount: int | None,
    reason: str,
    now: datetime,
    *,
    lease: timedelta,
    refund: UUID | None = None,
) -> tuple[Payment, Refund]:
    """Add a refund of `amount` minor units, or of all that is left, to be committed before it is asked for.

    Raises:
        PaymentConflict: there is nothing to give back.
        InvalidInput: the amount is not above zero, or above what is left; or the reason is too long.
    """
    attempt = payment.collected
    if attempt is None or attempt.reference is None:
        raise PaymentConflict(f"invoice {payment.invoice_number} was not paid through a provider")
    left = payment.refundable
    if left <= 0:
        raise PaymentConflict(f"all that was paid for invoice {payment.invoice_number} has been given back")
    chosen = left if amount is None else amount
    if not 0 < chosen <= left:
        unit = currency(payment.currency)
        raise InvalidInput(
            "amount",
            f"{Money(chosen, unit).text} can't be given back",
            f"give more than 0 and at most {Money(left, unit)}",
        )
    if len(reason) > _LONGEST_REASON:
        raise InvalidInput("reason", f"has {len(reason)} characters", f"write at most {_LONGEST_REASON}")
    id_ = refund or new_id()
    made = Refund(
        id=id_,
        amount=chosen,
        status=RefundStatus.PENDING,
        reason=reason,
        created_at=now,
        look_at=now + lease,
        key=f"tollway-refund-{id_}",
    )
    return replace(payment, refunds=(*payment.refunds, made)), made


def refund_request(payment: Payment, refund: Refund) -> RefundRequest:
    """Return what the provider is asked for a refund, the same whenever it is made."""
    assert payment.collected is not None, "only what was collected is given back"
    assert payment.collected.reference is not None, "what was collected has the provider's reference"
    return RefundRequest(
        key=refund.key,
        refund=refund.id,
        charge=payment.collected.reference,
        amount=refund.amount,
        currency=payment.currency,
        started_at=refund.created_at,
    )


def record_refund(payment: Payment, result: RefundResult, now: datetime) -> Payment:
    """Return the payment with what the provider says of a refund, which may be one made there.

    A refund that succeeded may fail later, where the customer's bank sends it back; a failed one stays so.
    """
    refund = refund_of(payment, result)
    if refund is None:
        made = Refund(
            id=new_id(),
            amount=result.amount,
            status=RefundStatus.PENDING,
            reason="made at the provider",
            created_at=now,
            look_at=None,
            key=f"provider-refund-{result.reference}",
            reference=result.reference,
        )
        payment, refund = replace(payment, refunds=(*payment.refunds, made)), made
    if refund.status is RefundStatus.FAILED or (
        refund.status is RefundStatus.SUCCEEDED and result.status is not RefundStatus.FAILED
    ):
        return payment
    waiting = result.status not in {RefundStatus.SUCCEEDED, RefundStatus.FAILED}
    return _with(
        payment,
        replace(
            refund,
            status=result.status,
            reference=result.reference or refund.reference,
            message=result.message,
            look_at=now + pause(refund.tries) if waiting else None,
            given_at=now if result.status is RefundStatus.SUCCEEDED else refund.given_at,
            finished_at=None if waiting else now,
            tries=refund.tries + 1,
        ),
    )


def refund_waits(payment: Payment, refund: UUID, status: RefundStatus, reason: str, now: datetime) -> Payment:
    """Return the payment with a refund that is asked for, or asked about, again later; or that failed."""
    found = next(one for one in payment.refunds if one.id == refund)
    if found.status in {RefundStatus.SUCCEEDED, RefundStatus.FAILED}:
        return payment
    failed = status is RefundStatus.FAILED
    return _with(
        payment,
        replace(
            found,
            status=status,
            message=reason,
            look_at=None if failed else now + pause(found.tries),
            finished_at=now if failed else None,
            tries=found.tries + 1,
        ),
    )


def refund_of(payment: Payment, result: RefundResult) -> Refund | None:
    """Return the payment's refund that a result is about."""
    for one in payment.refunds:
        if one.id == result.refund or (one.reference is not None and one.reference == result.reference):
            return one
    return None


def _with(payment: Payment, changed: Refund) -> Payment:
    refunds: Iterable[Refund] = (changed if one.id == changed.id else one for one in payment.refunds)
    return replace(payment, refunds=tuple(refunds))
