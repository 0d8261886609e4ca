"""What billing needs of storage; each works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tollway.billing.models import (
    Customer,
    Invoice,
    InvoiceHead,
    InvoiceStatus,
    InvoiceSummary,
    SellerEntity,
    Subscription,
)
from tollway.kernel.mode import Mode

__all__ = ["Invoices", "Listings", "NumberSeries", "Parties", "Subscriptions"]


class Parties(Protocol):
    """Seller entities and customers."""

    def seller(self, seller: UUID) -> SellerEntity:
        """Return a seller entity by its id."""

    def seller_named(self, slug: str) -> SellerEntity | None:
        """Return a seller entity by the name it has in commands."""

    def save_seller(self, seller: SellerEntity) -> None:
        """Add a seller entity, or overwrite the one with this id."""

    def customer(self, customer: UUID) -> Customer:
        """Return a customer by its id."""

    def customers(self, customers: Collection[UUID]) -> Mapping[UUID, Customer]:
        """Return customers by their ids, those that there are."""

    def fix_currencies(self, currencies: Mapping[UUID, str]) -> None:
        """Set the billing currency of customers, each given by its id."""

    def customer_named(self, name: str, mode: Mode) -> Customer | None:
        """Return a customer by name; live and test customers have names of their own."""

    def save_customer(self, customer: Customer) -> None:
        """Add a customer, or overwrite the one with this id."""


class Subscriptions(Protocol):
    """Subscriptions with their phases."""

    def get(self, subscription: UUID, *, lock: bool = False) -> Subscription:
        """Return a subscription; `lock` keeps others from changing it until the transaction ends."""

    def get_many(self, subscriptions: Collection[UUID], *, lock: bool = False) -> Mapping[UUID, Subscription]:
        """Return subscriptions as `get` does, those that there are."""

    def current_of(self, consumer: UUID, at: datetime) -> Subscription | None:
        """Return the consumer's subscription that has not ended at `at`."""

    def save(self, subscription: Subscription) -> None:
        """Add a subscription, or bring the stored one and its phases to this state."""

    def overdue(self, now: datetime, mode: Mode | None = None) -> Sequence[UUID]:
        """Return the subscriptions of which the gateway is to be told something by `now`, or was to be."""

    def follow_at(self, subscription: UUID, at: datetime | None) -> None:
        """Say when the gateway is to be told of a subscription next, None for never again.

        A new one is to be told of at once.
        """

    def retell(self, meters: Collection[str]) -> None:
        """Have the gateway be told soon of every subscription with a quota of one of these meters."""

    def all(self, mode: Mode | None = None) -> Sequence[Subscription]:
        """Return every subscription, ordered by start and id."""

    def due(self, mode: Mode | None, until: datetime, *, ended: bool) -> Sequence[UUID]:
        """Return the subscriptions that may have something to bill by `until`, ordered by start and id.

        They are those that were saved or whose scheduled instant has come, and with `ended` all that ended by
        then: usage of theirs may have turned up late.
        """

    def schedule(self, instants: Mapping[UUID, datetime]) -> None:
        """Say from when on there may be something to bill of subscriptions, until they are saved again."""


class Invoices(Protocol):
    """Invoices with their lines."""

    def get(self, invoice: UUID) -> Invoice:
        """Return an invoice by its id."""

    def numbered(self, number: str) -> Invoice | None:
        """Return the finalised invoice that bears a number."""

    def of_subscription(self, subscription: UUID) -> Sequence[Invoice]:
        """Return a subscription's invoices, drafts too, ordered by sequence."""

    def of_subscriptions(self, subscriptions: Collection[UUID]) -> Mapping[UUID, Sequence[Invoice]]:
        """Return each subscription's invoices as `of_subscription` does."""

    def heads(self, subscriptions: Collection[UUID]) -> Mapping[UUID, Sequence[InvoiceHead]]:
        """Return what tells whether a subscription's invoices are still the same, ordered by sequence."""

    def summaries(
        self,
        *,
        mode: Mode | None = None,
        customer: str | None = None,
        status: InvoiceStatus | None = None,
        ids: Collection[UUID] | None = None,
    ) -> Sequence[InvoiceSummary]:
        """Return the invoices that match, those of the newest period last; `customer` is a name."""

    def add_drafts(self, invoices: Sequence[Invoice], *, replaced: Collection[UUID] = ()) -> None:
        """Store drafts, in place of those that are `replaced`."""

    def finalise(self, invoices: Sequence[Invoice]) -> None:
        """Store what finalising adds to the drafts that are there: number, parties, instant."""


class Listings(Protocol):
    """Lists a page at a time: at most `limit` of those that match, from behind the one with id `after`."""

    def customers(
        self, *, mode: Mode | None = None, after: UUID | None = None, limit: int
    ) -> Sequence[Customer]:
        """Return customers, ordered by id."""

    def subscriptions(
        self,
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        after: UUID | None = None,
        limit: int,
    ) -> Sequence[Subscription]:
        """Return subscriptions, ordered by id."""

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
        """Return invoices, ordered by id."""


class NumberSeries(Protocol):
    """Gap-free numbers: one that is taken in a transaction that fails was never taken."""

    def take(self, seller: UUID, series: str, mode: Mode, count: int = 1) -> int:
        """Take the next `count` numbers of a series, which begins with 1; return the first of them."""
