"""Lists an operator looks through, a page at a time: customers by name and plan, invoices by what is due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, or_, select

from tollway.billing.models import Customer, InvoiceStatus, InvoiceSummary
from tollway.billing.payments.models import AttemptStatus
from tollway.kernel.mode import Mode
from tollway.storage.invoices import summaries, summary_of
from tollway.storage.parties import customer_of
from tollway.storage.tables.accounts import ORGANISATION
from tollway.storage.tables.billing import CUSTOMER, INVOICE, SUBSCRIPTION, SUBSCRIPTION_PHASE
from tollway.storage.tables.catalog import PLAN, PLAN_VERSION
from tollway.storage.tables.payments import PAYMENT, PAYMENT_ATTEMPT

__all__ = ["ListedInvoice", "SqlDirectory"]


class ListedInvoice(NamedTuple):
    """What a list shows of an invoice, and whose it is."""

    summary: InvoiceSummary
    customer: UUID


class SqlDirectory:
    """Looks customers and invoices up within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, mode: Mode, text: str, plan: str, now: datetime) -> int:
        """Return how many customers match; see `page`."""
        query = select(func.count()).select_from(CUSTOMER).where(*_matching(mode, text, plan, now))
        return int(self._connection.execute(query).scalar_one())

    def page(
        self, mode: Mode, text: str, plan: str, now: datetime, *, skip: int, size: int
    ) -> Sequence[Customer]:
        """Return customers by name: those with `text` in their name or in their consumer's, under `plan` now.

        An empty `text` or `plan` takes all.
        """
        query = select(CUSTOMER).where(*_matching(mode, text, plan, now))
        rows = self._connection.execute(
            query.order_by(func.lower(CUSTOMER.c.name), CUSTOMER.c.id).offset(skip).limit(size)
        )
        return [customer_of(row) for row in rows]

    def newest(self, mode: Mode, size: int) -> Sequence[Customer]:
        """Return the customers that came last, the newest first."""
        query = select(CUSTOMER).where(CUSTOMER.c.mode == mode.value)
        rows = self._connection.execute(
            query.order_by(CUSTOMER.c.created_at.desc(), CUSTOMER.c.id.desc()).limit(size)
        )
        return [customer_of(row) for row in rows]

    def names(self, customers: Collection[UUID]) -> Mapping[UUID, str]:
        """Return what the organisations call themselves that own these customers, where one does."""
        c = ORGANISATION.c
        rows = self._connection.execute(select(c.customer_id, c.name).where(c.customer_id.in_(customers)))
        return {row.customer_id: row.name for row in rows}

    def subscriptions(self, customers: Sequence[UUID]) -> Mapping[UUID, Sequence[UUID]]:
        """Return the ids of each customer's subscriptions, the newest first."""
        found: dict[UUID, list[UUID]] = defaultdict(list)
        c = SUBSCRIPTION.c
        rows = self._connection.execute(
            select(c.id, c.customer_id)
            .where(c.customer_id.in_(customers))
            .order_by(c.ends_at.is_(None).desc(), c.starts_at.desc(), c.id)
        )
        for row in rows:
            found[row.customer_id].append(row.id)
        return found

    def subscribed(self, now: datetime) -> Mapping[UUID, int]:
        """Return how many live subscriptions are under each plan version at `now`."""
        phase = SUBSCRIPTION_PHASE.c
        rows = self._connection.execute(
            select(phase.plan_version_id, func.count())
            .join(SUBSCRIPTION, SUBSCRIPTION.c.id == phase.subscription_id)
            .where(
                SUBSCRIPTION.c.mode == Mode.LIVE.value,
                phase.starts_at <= now,
                or_(phase.ends_at.is_(None), phase.ends_at > now),
            )
            .group_by(phase.plan_version_id)
        )
        return {version: int(count) for version, count in rows}

    def invoices(
        self, mode: Mode, *, status: InvoiceStatus | None, unpaid: bool, skip: int, size: int
    ) -> Sequence[ListedInvoice]:
        """Return invoices, the newest period first; `unpaid` takes final ones of which something is due."""
        query = summaries().where(INVOICE.c.mode == mode.value)
        if status is not None:
            query = query.where(INVOICE.c.status == status.value)
        if unpaid:
            query = query.where(*_unpaid())
        rows = self._connection.execute(
            query.order_by(INVOICE.c.period_end.desc(), INVOICE.c.id.desc()).offset(skip).limit(size)
        )
        return [ListedInvoice(summary_of(row), row.customer_id) for row in rows]

    def unpaid(self) -> Sequence[tuple[str, int, int]]:
        """Return of final live invoices that are due: currency, total in minor units, how many."""
        # What the customer's credit balance paid of it is not due.
        due = func.coalesce(PAYMENT.c.amount, INVOICE.c.total)
        rows = self._connection.execute(
            select(INVOICE.c.currency, func.sum(due), func.count())
            .join_from(INVOICE, PAYMENT, PAYMENT.c.invoice_id == INVOICE.c.id, isouter=True)
            .where(INVOICE.c.mode == Mode.LIVE.value, *_unpaid())
            .group_by(INVOICE.c.currency)
        )
        return [(code, int(total), count) for code, total, count in rows]


def _unpaid() -> list[ColumnElement[bool]]:
    """What makes a final invoice unpaid: an amount, and no attempt that took it."""
    paid = PAYMENT.alias("paid")
    settled = exists().where(
        paid.c.invoice_id == INVOICE.c.id,
        or_(
            paid.c.amount == 0,
            exists().where(
                PAYMENT_ATTEMPT.c.payment_id == paid.c.id,
                PAYMENT_ATTEMPT.c.status == AttemptStatus.SUCCEEDED.value,
            ),
        ),
    )
    return [INVOICE.c.status == InvoiceStatus.FINALISED.value, INVOICE.c.total > 0, not_(settled)]


def _matching(mode: Mode, text: str, plan: str, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[Any] = [CUSTOMER.c.mode == mode.value]
    if text:
        of_consumer = exists().where(
            SUBSCRIPTION.c.customer_id == CUSTOMER.c.id,
            SUBSCRIPTION.c.consumer_name.icontains(text, autoescape=True),
        )
        of_organisation = exists().where(
            ORGANISATION.c.customer_id == CUSTOMER.c.id, ORGANISATION.c.name.icontains(text, autoescape=True)
        )
        conditions.append(or_(CUSTOMER.c.name.icontains(text, autoescape=True), of_consumer, of_organisation))
    if plan:
        phase = SUBSCRIPTION_PHASE.c
        conditions.append(
            exists().where(
                and_(
                    SUBSCRIPTION.c.customer_id == CUSTOMER.c.id,
                    phase.subscription_id == SUBSCRIPTION.c.id,
                    phase.starts_at <= now,
                    or_(phase.ends_at.is_(None), phase.ends_at > now),
                    phase.plan_version_id == PLAN_VERSION.c.id,
                    PLAN_VERSION.c.plan_id == PLAN.c.id,
                    PLAN.c.name == plan,
                )
            )
        )
    return conditions
