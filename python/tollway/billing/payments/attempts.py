"""A payment's states: how an attempt begins, and what an answer of the provider makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tollway.billing.payments.errors import PaymentConflict
from tollway.billing.payments.models import Attempt, AttemptStatus, Payment, PaymentMethod
from tollway.billing.payments.results import ChargeRequest, ChargeResult, ChargeStatus, PermanentFault

__all__ = [
    "ABANDONED",
    "attempt_key",
    "begin",
    "charge_request",
    "pause",
    "put_off",
    "record",
    "refused",
    "unknown",
]

ABANDONED = timedelta(hours=24)
"""A confirmation that the customer hasn't given by then is given up."""

_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(hours=6)
_STATUS = {
    ChargeStatus.SUCCEEDED: AttemptStatus.SUCCEEDED,
    ChargeStatus.DECLINED: AttemptStatus.DECLINED,
    ChargeStatus.CANCELLED: AttemptStatus.CANCELLED,
    ChargeStatus.PROCESSING: AttemptStatus.PROCESSING,
    ChargeStatus.REQUIRES_ACTION: AttemptStatus.REQUIRES_ACTION,
}


def attempt_key(invoice: UUID, number: int) -> str:
    """Return the key that names an attempt at the provider: the invoice and the attempt's number.

    >>> attempt_key(UUID(int=1), 2)
    'tollway-invoice-00000000-0000-0000-0000-000000000001-2'
    """
    return f"tollway-invoice-{invoice}-{number}"


def pause(tries: int) -> timedelta:
    """Return how long to wait after `tries` tries: 5 s, doubled each time up to 6 h."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(tries, 16)))


def begin(
    payment: Payment,
    method: PaymentMethod,
    now: datetime,
    *,
    lease: timedelta,
    present: bool = False,
    origin: str = "",
    return_url: str = "",
) -> Payment:
    """Add an attempt, to be committed before the provider is asked.

    For the length of `lease` it is the caller's; then the worker asks the provider what became of it.

    Raises:
        PaymentConflict: it is paid, or another attempt is still open.
    """
    if payment.status.paid:
        raise PaymentConflict(f"invoice {payment.invoice_number} is paid")
    if payment.last is not None and payment.last.status.open:
        raise PaymentConflict(
            f"invoice {payment.invoice_number} is being paid: its last attempt is {payment.last.status.value}"
        )
    number = len(payment.attempts) + 1
    attempt = Attempt(
        number=number,
        status=AttemptStatus.PENDING,
        provider=method.provider,
        method=method.id,
        key=attempt_key(payment.invoice, number),
        started_at=now,
        look_at=now + lease,
        present=present,
        origin=origin,
        return_url=return_url,
    )
    return replace(payment, attempts=(*payment.attempts, attempt))


def charge_request(payment: Payment, attempt: Attempt, method: PaymentMethod, account: str) -> ChargeRequest:
    """Return what the provider is asked for an attempt, the same whenever it is made."""
    return ChargeRequest(
        key=attempt.key,
        invoice=payment.invoice,
        invoice_number=payment.invoice_number,
        amount=payment.amount,
        currency=payment.currency,
        account=account,
        method=method.reference,
        started_at=attempt.started_at,
        present=attempt.present,
        origin=attempt.origin,
        return_url=attempt.return_url,
    )


def record(payment: Payment, number: int, result: ChargeResult, now: datetime) -> Payment:
    """Return the payment with what the provider answered of an attempt.

    Answers may come late, twice and in any order: a success is never taken back, and nothing but a success
    changes an attempt that is decided.
    """
    attempt = payment.attempts[number - 1]
    status = _STATUS[result.status]
    if attempt.status is AttemptStatus.SUCCEEDED:
        return payment
    if not attempt.status.open and status is not AttemptStatus.SUCCEEDED:
        return payment
    if status is AttemptStatus.SUCCEEDED and _differs(payment, result):
        # Somebody has a hand in it at the provider. The invoice isn't paid by that, nor is it charged again.
        return unknown(
            payment, number, f"the provider took {result.amount} {result.currency} (minor units) for it", now
        )
    return _with(
        payment,
        replace(
            attempt,
            status=status,
            reference=result.reference,
            code=result.code,
            message=result.message,
            action_url=result.action_url if status is AttemptStatus.REQUIRES_ACTION else None,
            look_at=now + pause(attempt.tries) if status.open else None,
            finished_at=None if status.open else now,
            tries=attempt.tries + 1,
        ),
    )


def refused(payment: Payment, number: int, fault: PermanentFault, now: datetime) -> Payment:
    """Return the payment with an attempt that the provider refused to make."""
    attempt = payment.attempts[number - 1]
    if not attempt.status.open:
        return payment
    return _with(
        payment,
        replace(
            attempt,
            status=AttemptStatus.DECLINED,
            code=fault.code,
            message=str(fault),
            look_at=None,
            finished_at=now,
        ),
    )


def unknown(payment: Payment, number: int, reason: str, now: datetime) -> Payment:
    """Return the payment with an attempt of which no answer came; it is asked for after a while."""
    return _waiting(payment, number, AttemptStatus.UNKNOWN, reason, now)


def put_off(payment: Payment, number: int, reason: str, now: datetime) -> Payment:
    """Return the payment with an attempt that is tried again later, as nothing has happened yet."""
    return _waiting(payment, number, None, reason, now)


def _differs(payment: Payment, result: ChargeResult) -> bool:
    """Whether the provider says that it took another amount than it was asked for."""
    told = (result.amount, result.currency)
    return None not in told and told != (payment.amount, payment.currency)


def _waiting(
    payment: Payment, number: int, status: AttemptStatus | None, reason: str, now: datetime
) -> Payment:
    attempt = payment.attempts[number - 1]
    if not attempt.status.open:
        return payment
    return _with(
        payment,
        replace(
            attempt,
            # What the provider has said of it before stays said.
            status=attempt.status if status is None or attempt.reference is not None else status,
            message=reason,
            look_at=now + pause(attempt.tries),
            tries=attempt.tries + 1,
        ),
    )


def _with(payment: Payment, changed: Attempt) -> Payment:
    attempts: Iterable[Attempt] = (
        changed if one.number == changed.number else one for one in payment.attempts
    )
    return replace(payment, attempts=tuple(attempts))
