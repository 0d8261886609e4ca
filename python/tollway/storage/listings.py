"""Lists a page at a time, in the order in which things were made: ids are UUIDv7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, Table, select

from tollway.billing.models import Customer, InvoiceStatus, InvoiceSummary, Subscription
from tollway.kernel.clock import Clock
from tollway.kernel.mode import Mode
from tollway.storage.invoices import SqlInvoices
from tollway.storage.parties import SqlParties
from tollway.storage.subscriptions import SqlSubscriptions
from tollway.storage.tables.billing import CUSTOMER, INVOICE, SUBSCRIPTION

__all__ = ["SqlListings"]


class SqlListings:
    """`tollway.billing.ports.Listings` within the transaction of a connection."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._parties = SqlParties(connection, clock)
        self._subscriptions = SqlSubscriptions(connection)
        self._invoices = SqlInvoices(connection)

    def customers(
        self, *, mode: Mode | None = None, after: UUID | None = None, limit: int
    ) -> Sequence[Customer]:
        """See `Listings.customers`."""
        ids = self._page(select(CUSTOMER.c.id), CUSTOMER, mode, after, limit)
        found = self._parties.customers(ids)
        return [found[id_] for id_ in ids]

    def subscriptions(
        self,
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        after: UUID | None = None,
        limit: int,
    ) -> Sequence[Subscription]:
        """See `Listings.subscriptions`."""
        query = select(SUBSCRIPTION.c.id)
        if customer is not None:
            query = query.where(SUBSCRIPTION.c.customer_id == customer)
        ids = self._page(query, SUBSCRIPTION, mode, after, limit)
        found = self._subscriptions.get_many(ids)
        return [found[id_] for id_ in ids]

    def invoices(
        self,
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        subscription: UUID | None = None,
        status: InvoiceStatus | None = None,
        after: UUID | None = None,
        limit: int,
    ) -> Sequence[InvoiceSummary]:
        """See `Listings.invoices`."""
        query = select(INVOICE.c.id)
        for column, wanted in ((INVOICE.c.customer_id, customer), (INVOICE.c.subscription_id, subscription)):
            if wanted is not None:
                query = query.where(column == wanted)
        if status is not None:
            query = query.where(INVOICE.c.status == status.value)
        ids = self._page(query, INVOICE, mode, after, limit)
        found = {one.id: one for one in self._invoices.summaries(ids=ids)}
        return [found[id_] for id_ in ids]

    def _page(
        self, query: Select[Any], table: Table, mode: Mode | None, after: UUID | None, limit: int
    ) -> Sequence[UUID]:
        if mode is not None:
            query = query.where(table.c.mode == mode.value)
        if after is not None:
            query = query.where(table.c.id > after)
        return self._connection.scalars(query.order_by(table.c.id).limit(limit)).all()
