"""What billing needs of storage; each works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tollway.billing.models import (
    Customer,
    Invoice,
    InvoiceStatus,
    InvoiceSummary,
    SellerEntity,
    Subscription,
)
from tollway.kernel.mode import Mode

__all__ = ["Invoices", "NumberSeries", "Parties", "Subscriptions"]


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

    def customer_named(self, name: str, mode: Mode) -> Customer | None:
        """Return a customer by name; live and test customers have names of their own."""

    def save_customer(self, customer: Customer) -> None:
        """Add a customer, or overwrite the one with this id."""


class Subscriptions(Protocol):
    """Subscriptions with their phases."""

    def get(self, subscription: UUID, *, lock: bool = False) -> Subscription:
        """Return a subscription; `lock` keeps others from changing it until the transaction ends."""

    def current_of(self, consumer: UUID, at: datetime) -> Subscription | None:
        """Return the consumer's subscription that has not ended at `at`."""

    def save(self, subscription: Subscription) -> None:
        """Add a subscription, or bring the stored one and its phases to this state."""

    def overdue(self, now: datetime, mode: Mode | None = None) -> Sequence[UUID]:
        """Return the subscriptions whose consumer is still under a phase that has ended by `now`."""

    def all(self, mode: Mode | None = None) -> Sequence[Subscription]:
        """Return every subscription, ordered by start and id."""

    def billable(self, mode: Mode | None, until: datetime) -> Sequence[UUID]:
        """Return the subscriptions that began at or before `until`, ordered by their start and id."""


class Invoices(Protocol):
    """Invoices with their lines."""

    def get(self, invoice: UUID) -> Invoice:
        """Return an invoice by its id."""

    def numbered(self, number: str) -> Invoice | None:
        """Return the finalised invoice that bears a number."""

    def of_subscription(self, subscription: UUID) -> Sequence[Invoice]:
        """Return a subscription's invoices, drafts too, ordered by sequence."""

    def summaries(
        self, *, mode: Mode | None = None, customer: str | None = None, status: InvoiceStatus | None = None
    ) -> Sequence[InvoiceSummary]:
        """Return the invoices that match, those of the newest period last; `customer` is a name."""

    def replace_draft(self, invoice: Invoice) -> None:
        """Store a draft in place of the draft of the same subscription and sequence, if there is one.

        Raises:
            AlreadyFinalised: that invoice is final.
        """

    def finalise(self, invoice: Invoice) -> None:
        """Store what finalising adds to the draft that is there: number, parties, instant."""


class NumberSeries(Protocol):
    """Gap-free numbers: one that is taken in a transaction that fails was never taken."""

    def take(self, seller: UUID, series: str, mode: Mode) -> int:
        """Return the next number of a series, from 1."""
