"""What payments and refunds move in the ledger.

| what | debit | credit |
|---|---|---|
| a credit balance pays an invoice | `customer_credit` of the customer | `receivable` of the customer |
| a provider took the money | `clearing:PROVIDER` | `receivable` of the customer |
| money is given back | `revenue:refunds` | `clearing:PROVIDER` |
| a refund came back | `clearing:PROVIDER` | `revenue:refunds` |
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tollway.billing.payments.models import Attempt, AttemptStatus, Payment, Refund
from tollway.billing.payments.results import RefundStatus
from tollway.kernel.ids import new_id
from tollway.ledger.models import Account, AccountKind, Book, Entry, Transaction

__all__ = ["CUSTOMER_CREDIT", "credit_posting", "postings"]

CUSTOMER_CREDIT = "customer_credit"
_REFUNDS = "revenue:refunds"


def credit_posting(payment: Payment, now: datetime) -> Transaction | None:
    """Return what a credit balance paying for an invoice posts, or None where it paid nothing."""
    if payment.credit_applied == 0:
        return None
    credit = _account(payment, CUSTOMER_CREDIT, AccountKind.LIABILITY, owned=True)
    return _transaction(
        payment,
        f"invoice:{payment.invoice}:credit",
        f"Credit balance pays invoice {payment.invoice_number}",
        now,
        (credit, _receivable(payment), payment.credit_applied),
    )


def postings(payment: Payment) -> Iterator[Transaction]:
    """Yield what the payment's attempts and refunds post: each under a key of its own, so once."""
    for attempt in payment.attempts:
        if attempt.status is AttemptStatus.SUCCEEDED:
            yield _collected(payment, attempt)
    if payment.collected is not None:
        for refund in payment.refunds:
            yield from _refunded(payment, payment.collected, refund)


def _collected(payment: Payment, attempt: Attempt) -> Transaction:
    assert attempt.finished_at is not None, "an attempt that succeeded has ended"
    return _transaction(
        payment,
        f"payment:{payment.id}:{attempt.number}",
        f"Invoice {payment.invoice_number} paid through {attempt.provider}",
        attempt.finished_at,
        (_clearing(payment, attempt), _receivable(payment), payment.amount),
    )


def _refunded(payment: Payment, attempt: Attempt, refund: Refund) -> Iterator[Transaction]:
    refunds = _account(payment, _REFUNDS, AccountKind.REVENUE)
    clearing = _clearing(payment, attempt)
    number = payment.invoice_number
    if refund.given_at is not None:
        move = (refunds, clearing, refund.amount)
        yield _transaction(
            payment, f"refund:{refund.id}", f"Refund of invoice {number}", refund.given_at, move
        )
        if refund.status is RefundStatus.FAILED and refund.finished_at is not None:
            back = (clearing, refunds, refund.amount)
            yield _transaction(
                payment,
                f"refund:{refund.id}:returned",
                f"Refund of invoice {number} came back",
                refund.finished_at,
                back,
            )


def _clearing(payment: Payment, attempt: Attempt) -> Account:
    return _account(payment, f"clearing:{attempt.provider}", AccountKind.ASSET)


def _receivable(payment: Payment) -> Account:
    return _account(payment, "receivable", AccountKind.ASSET, owned=True)


def _account(payment: Payment, name: str, kind: AccountKind, *, owned: bool = False) -> Account:
    book = Book(payment.seller_entity, payment.mode)
    return Account(book, name, kind, payment.currency, payment.customer if owned else None)


def _transaction(
    payment: Payment, key: str, description: str, at: datetime, move: tuple[Account, Account, int]
) -> Transaction:
    debit, credit, amount = move
    return Transaction(
        id=new_id(),
        book=Book(payment.seller_entity, payment.mode),
        key=key,
        description=description,
        effective_at=at,
        entries=(Entry(debit, amount), Entry(credit, -amount)),
    )
