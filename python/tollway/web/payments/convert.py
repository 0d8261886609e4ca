"""From a payment to JSON types: the form that scripts get, from the command line and from the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tollway.billing.payments.models import Attempt, Payment, Refund
from tollway.kernel.currency import currency
from tollway.kernel.instants import format_instant
from tollway.kernel.money import Money

__all__ = ["payment_json"]


def payment_json(payment: Payment, customer: str) -> dict[str, Any]:
    """Return a payment. Amounts are decimal strings in major units; `customer` is its name."""
    last = payment.last
    return {
        "id": str(payment.id),
        "invoice": payment.invoice_number,
        "customer": customer,
        "mode": payment.mode.value,
        "status": payment.status.value,
        "currency": payment.currency,
        "amount": _money(payment, payment.amount),
        "credit_applied": _money(payment, payment.credit_applied),
        "refunded": _money(payment, payment.refunded),
        "reason": None if last is None or payment.status.paid else last.code or last.message,
        "created_at": format_instant(payment.created_at),
        "attempts": [_attempt(one) for one in payment.attempts],
        "refunds": [_refund(payment, one) for one in payment.refunds],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "status": attempt.status.value,
        "provider": attempt.provider,
        "reference": attempt.reference,
        "code": attempt.code,
        "message": attempt.message,
        "started_at": format_instant(attempt.started_at),
        "finished_at": _instant(attempt.finished_at),
    }


def _refund(payment: Payment, refund: Refund) -> dict[str, Any]:
    return {
        "id": str(refund.id),
        "status": refund.status.value,
        "amount": _money(payment, refund.amount),
        "reason": refund.reason,
        "reference": refund.reference,
        "message": refund.message,
        "created_at": format_instant(refund.created_at),
        "finished_at": _instant(refund.finished_at),
    }


def _money(payment: Payment, minor: int) -> str:
    return Money(minor, currency(payment.currency)).text


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
