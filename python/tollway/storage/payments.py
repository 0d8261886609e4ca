"""The repository of payments with their attempts and refunds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    ScalarSelect,
    Select,
    Table,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)

from tollway.billing.models import InvoiceStatus
from tollway.billing.payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, Refund
from tollway.billing.payments.posting import CUSTOMER_CREDIT
from tollway.billing.payments.results import RefundStatus
from tollway.kernel.mode import Mode
from tollway.storage.statements import portions, upsert
from tollway.storage.tables.billing import CUSTOMER, INVOICE
from tollway.storage.tables.ledger import LEDGER_ACCOUNT, LEDGER_ENTRY
from tollway.storage.tables.payments import PAYMENT, PAYMENT_ATTEMPT, PAYMENT_METHOD, PAYMENT_REFUND

__all__ = ["SqlPayments"]


class SqlPayments:
    """`tollway.billing.payments.ports.Payments` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, payment: UUID, *, lock: bool = False) -> Payment | None:
        """See `Payments.get`."""
        return self._one(select(PAYMENT).where(PAYMENT.c.id == payment), lock=lock)

    def of_invoice(self, invoice: UUID, *, lock: bool = False) -> Payment | None:
        """See `Payments.of_invoice`."""
        return self._one(select(PAYMENT).where(PAYMENT.c.invoice_id == invoice), lock=lock)

    def of_invoices(self, invoices: Collection[UUID]) -> Mapping[UUID, Payment]:
        """See `Payments.of_invoices`."""
        found: dict[UUID, Payment] = {}
        for some in portions(list(invoices)):
            payments = self._read(select(PAYMENT).where(PAYMENT.c.invoice_id.in_(some)))
            found |= {payment.invoice: payment for payment in payments}
        return found

    def totals_of(self, invoices: Collection[UUID]) -> Mapping[UUID, int]:
        """See `Payments.totals_of`."""
        c = INVOICE.c
        found: dict[UUID, int] = {}
        for some in portions(list(invoices)):
            rows = self._connection.execute(
                select(c.id, c.total).where(c.id.in_(some), c.status == InvoiceStatus.FINALISED.value)
            )
            found |= {row.id: row.total for row in rows}
        return found

    def with_charge(self, provider: str, reference: str) -> Payment | None:
        """See `Payments.with_charge`."""
        c = PAYMENT_ATTEMPT.c
        owner = select(c.payment_id).where(c.provider == provider, c.reference == reference)
        return self._one(select(PAYMENT).where(PAYMENT.c.id.in_(owner)))

    def search(
        self,
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        status: PaymentStatus | None = None,
        before: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Payment]:
        """See `Payments.search`."""
        c = PAYMENT.c
        query = select(PAYMENT).order_by(c.id.desc()).limit(limit)
        if mode is not None:
            query = query.where(c.mode == mode.value)
        if customer is not None:
            query = query.where(c.customer_id == customer)
        if status is not None:
            query = query.where(c.status == status.value)
        if before is not None:
            query = query.where(c.id < before)
        return self._read(query)

    def add(self, payment: Payment) -> bool:
        """See `Payments.add`."""
        made = self._connection.execute(
            upsert(self._connection, PAYMENT)
            .values(
                id=payment.id,
                mode=payment.mode.value,
                seller_entity_id=payment.seller_entity,
                customer_id=payment.customer,
                invoice_id=payment.invoice,
                invoice_number=payment.invoice_number,
                currency=payment.currency,
                amount=payment.amount,
                credit_applied=payment.credit_applied,
                status=payment.status.value,
                created_at=payment.created_at,
            )
            .on_conflict_do_nothing(index_elements=[PAYMENT.c.invoice_id])
            .returning(PAYMENT.c.id)
        ).scalar_one_or_none()
        if made is None:
            return False
        self.save(payment)
        return True

    def save(self, payment: Payment) -> None:
        """See `Payments.save`."""
        self._connection.execute(
            update(PAYMENT).where(PAYMENT.c.id == payment.id).values(status=payment.status.value)
        )
        for attempt in payment.attempts:
            key = {"payment_id": payment.id, "number": attempt.number}
            self._put(PAYMENT_ATTEMPT, key, _attempt_values(attempt))
        for refund in payment.refunds:
            self._put(PAYMENT_REFUND, {"id": refund.id}, {"payment_id": payment.id, **_refund_values(refund)})

    def uncollected(self, provider: str, limit: int) -> Sequence[UUID]:
        """See `Payments.uncollected`."""
        method, invoice = PAYMENT_METHOD.c, INVOICE.c
        query = (
            select(invoice.id)
            .where(
                invoice.status == InvoiceStatus.FINALISED.value,
                invoice.mode == Mode.LIVE.value,
                invoice.total > 0,
                ~exists().where(PAYMENT.c.invoice_id == invoice.id),
                or_(
                    exists().where(
                        method.customer_id == invoice.customer_id,
                        method.provider == provider,
                        method.is_default,
                    ),
                    _owed() >= invoice.total,
                ),
            )
            .order_by(invoice.finalised_at, invoice.id)
            .limit(limit)
        )
        return self._connection.scalars(query).all()

    def due(self, now: datetime, limit: int) -> Sequence[UUID]:
        """See `Payments.due`."""
        looks = union_all(
            select(PAYMENT_ATTEMPT.c.payment_id, PAYMENT_ATTEMPT.c.look_at),
            select(PAYMENT_REFUND.c.payment_id, PAYMENT_REFUND.c.look_at),
        ).subquery()
        rows = self._connection.execute(
            select(looks.c.payment_id).where(looks.c.look_at <= now).order_by(looks.c.look_at).limit(limit)
        )
        return list(dict.fromkeys(row.payment_id for row in rows))

    def lock_customer(self, customer: UUID) -> None:
        """See `Payments.lock_customer`."""
        self._connection.execute(select(CUSTOMER.c.id).where(CUSTOMER.c.id == customer).with_for_update())

    def _put(self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        same = and_(*(table.c[name] == value for name, value in key.items()))
        done = self._connection.execute(update(table).where(same).values(values))
        if done.rowcount == 0:
            self._connection.execute(insert(table).values({**key, **values}))

    def _one(self, query: Select[Any], *, lock: bool = False) -> Payment | None:
        found = self._read(query.with_for_update() if lock else query)
        return found[0] if found else None

    def _read(self, query: Select[Any]) -> list[Payment]:
        rows = self._connection.execute(query).all()
        ids = [row.id for row in rows]
        attempts = self._parts(PAYMENT_ATTEMPT, ids, PAYMENT_ATTEMPT.c.number)
        refunds = self._parts(PAYMENT_REFUND, ids, PAYMENT_REFUND.c.id)
        return [_payment(row, attempts[row.id], refunds[row.id]) for row in rows]

    def _parts(self, table: Table, payments: Sequence[UUID], order: Any) -> Mapping[UUID, list[Any]]:
        parts: dict[UUID, list[Any]] = defaultdict(list)
        for some in portions(payments):
            query = select(table).where(table.c.payment_id.in_(some)).order_by(order)
            for row in self._connection.execute(query):
                parts[row.payment_id].append(row)
        return parts


def _owed() -> ScalarSelect[int]:
    """What the seller owes an invoice's customer, in the invoice's currency."""
    account, entry, invoice = LEDGER_ACCOUNT.c, LEDGER_ENTRY.c, INVOICE.c
    return (
        select(-func.sum(entry.amount))
        .join(LEDGER_ACCOUNT, account.id == entry.account_id)
        .where(
            account.seller_entity_id == invoice.seller_entity_id,
            account.mode == invoice.mode,
            account.name == CUSTOMER_CREDIT,
            account.currency == invoice.currency,
            account.owner_id == invoice.customer_id,
        )
        .scalar_subquery()
    )


def _payment(row: Any, attempts: Iterable[Any], refunds: Iterable[Any]) -> Payment:
    return Payment(
        id=row.id,
        mode=Mode(row.mode),
        seller_entity=row.seller_entity_id,
        customer=row.customer_id,
        invoice=row.invoice_id,
        invoice_number=row.invoice_number,
        currency=row.currency,
        amount=row.amount,
        credit_applied=row.credit_applied,
        created_at=row.created_at,
        attempts=tuple(map(_attempt, attempts)),
        refunds=tuple(map(_refund, refunds)),
    )


def _attempt_values(attempt: Attempt) -> dict[str, Any]:
    return {
        "status": attempt.status.value,
        "provider": attempt.provider,
        "method_id": attempt.method,
        "key": attempt.key,
        "present": attempt.present,
        "origin": attempt.origin,
        "return_url": attempt.return_url,
        "reference": attempt.reference,
        "code": _short(attempt.code, 64),
        "message": _short(attempt.message, 500),
        "action_url": attempt.action_url,
        "started_at": attempt.started_at,
        "look_at": attempt.look_at,
        "finished_at": attempt.finished_at,
        "tries": attempt.tries,
    }


def _attempt(row: Any) -> Attempt:
    return Attempt(
        number=row.number,
        status=AttemptStatus(row.status),
        provider=row.provider,
        method=row.method_id,
        key=row.key,
        present=row.present,
        origin=row.origin,
        return_url=row.return_url,
        reference=row.reference,
        code=row.code,
        message=row.message,
        action_url=row.action_url,
        started_at=row.started_at,
        look_at=row.look_at,
        finished_at=row.finished_at,
        tries=row.tries,
    )


def _refund_values(refund: Refund) -> dict[str, Any]:
    return {
        "amount": refund.amount,
        "status": refund.status.value,
        "reason": refund.reason,
        "key": refund.key,
        "reference": refund.reference,
        "message": _short(refund.message, 500),
        "created_at": refund.created_at,
        "look_at": refund.look_at,
        "given_at": refund.given_at,
        "finished_at": refund.finished_at,
        "tries": refund.tries,
    }


def _refund(row: Any) -> Refund:
    return Refund(
        id=row.id,
        amount=row.amount,
        status=RefundStatus(row.status),
        reason=row.reason,
        key=row.key,
        reference=row.reference,
        message=row.message,
        created_at=row.created_at,
        look_at=row.look_at,
        given_at=row.given_at,
        finished_at=row.finished_at,
        tries=row.tries,
    )


def _short(text: str | None, longest: int) -> str | None:
    """Cut what a provider wrote to the column's length."""
    return text if text is None or len(text) <= longest else f"{text[: longest - 1]}…"
