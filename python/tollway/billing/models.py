"""Billing's vocabulary: the parties, subscriptions with their phases, invoices with their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.mode import Mode
from tollway.metering.models import CursorVector

__all__ = [
    "Customer",
    "Explanation",
    "Invoice",
    "InvoiceHead",
    "InvoiceLine",
    "InvoiceStatus",
    "InvoiceSummary",
    "LineKind",
    "PartyDetails",
    "Phase",
    "SellerEntity",
    "Subscription",
    "SubscriptionItem",
    "TaxId",
    "UsageWindow",
]


@dataclass(frozen=True, slots=True)
class TaxId:
    """A party's tax number: `kind` says which (`eu_vat`, `us_ein`, …)."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyDetails:
    """Who somebody is on an invoice: what is copied into it when it is finalised."""

    name: str | None = None
    address: tuple[str, ...] = ()
    country: str | None = None
    """ISO 3166-1 alpha-2."""
    tax_ids: tuple[TaxId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerEntity:
    """The legal person who issues invoices. `slug` names it in commands."""

    id: UUID
    slug: str
    details: PartyDetails
    home_currency: str | None
    invoice_prefix: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who pays. Its billing currency is fixed by its first finalised invoice."""

    id: UUID
    mode: Mode
    name: str
    details: PartyDetails
    billing_currency: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of a subscription under one plan version.

    Its id travels into each usage event, so usage belongs to the phase it was judged by, whatever the
    clocks said. Boundaries of periods are counted from `anchor`.
    """

    id: UUID
    position: int
    plan: PlanVersion
    anchor: datetime
    starts_at: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionItem:
    """An add-on that a subscription has from `starts_at` on, at the version it was then.

    It outlasts changes of plan, and ends with the subscription if not before.
    """

    id: UUID
    position: int
    addon: AddOnVersion
    starts_at: datetime
    ends_at: datetime | None = None

    def at(self, instant: datetime) -> bool:
        """Whether it is in force at `instant`, as far as it goes by the item itself."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a customer has agreed to, for one consumer.

    Phases follow each other without a gap; `items` are the add-ons beside them.
    """

    id: UUID
    mode: Mode
    seller_entity: UUID
    customer: UUID
    consumer: UUID
    consumer_name: str
    currency: str
    starts_at: datetime
    phases: tuple[Phase, ...]
    created_at: datetime
    ends_at: datetime | None = None
    cancelled_at: datetime | None = None
    items: tuple[SubscriptionItem, ...] = ()

    def items_at(self, instant: datetime) -> Sequence[SubscriptionItem]:
        """Return the add-ons in force at `instant`, in the order they were added."""
        return [item for item in self.items if item.at(instant)] if self.phase_at(instant) else []

    def phase_at(self, instant: datetime) -> Phase | None:
        """Return the phase in force at `instant`, or None before the start and from the end on."""
        for phase in self.phases:
            if phase.starts_at <= instant and (phase.ends_at is None or instant < phase.ends_at):
                return phase
        return None


class InvoiceStatus(StrEnum):
    """A draft may be built anew; a finalised invoice never changes."""

    DRAFT = "draft"
    FINALISED = "finalised"


class LineKind(StrEnum):
    """What a line is for."""

    FEE = "fee"
    """A price that doesn't depend on usage."""
    CREDIT = "credit"
    """A fee paid in advance for time after a change of plan or the removal of an add-on, given back."""
    USAGE = "usage"
    """Usage of the period that the invoice closes."""
    LATE_USAGE = "late_usage"
    """Usage of an earlier period that became known after its invoice was finalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One step of how a line's amount came about; the steps' amounts sum to the line's exact amount."""

    description: str
    quantity: Decimal
    unit_amount: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageWindow:
    """Which usage events a line is about: those of its phase that the meter counts, `start <= time < end`.

    `start` and `end` are None where the phase's own edge is meant: an event carries the phase it was judged
    by, and belongs to its first or last part however early or late its time. A late line's events
    lie behind `after`, which is what the invoice before had read.
    """

    meter: str
    start: datetime | None = None
    end: datetime | None = None
    after: CursorVector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """A line: an exact amount, and what is charged of it in whole minor units.

    Its price is the `price_index`-th of the add-on that `item` is, or without one of the plan that `phase`
    is under. `[service_start, service_end)` is what it pays for.
    """

    kind: LineKind
    description: str
    quantity: Decimal
    unit_amount: Decimal | None
    amount: Decimal
    total: int
    price_index: int
    phase: UUID
    service_start: datetime
    service_end: datetime
    item: UUID | None = None
    usage: UsageWindow | None = None
    explanation: tuple[Explanation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What a customer owes at one instant of billing: usage of the part before it, fees of the part after.

    `sequence` counts those instants within the subscription: 0 is its start, n closes its n-th part, which
    is `[period_start, period_end)`. `usage_cursor` and `usage_watermark` say what had been read of the log.
    """

    id: UUID
    mode: Mode
    seller_entity: UUID
    customer: UUID
    subscription: UUID
    sequence: int
    currency: str
    period_start: datetime
    period_end: datetime
    lines: tuple[InvoiceLine, ...]
    created_at: datetime
    usage_watermark: datetime | None = None
    usage_cursor: CursorVector = field(default_factory=CursorVector)
    status: InvoiceStatus = InvoiceStatus.DRAFT
    number: str | None = None
    supplier: PartyDetails | None = None
    recipient: PartyDetails | None = None
    finalised_at: datetime | None = None

    @property
    def total(self) -> int:
        """The sum of the lines, in minor units."""
        return sum(line.total for line in self.lines)

    @property
    def head(self) -> InvoiceHead:
        """What identifies it."""
        return InvoiceHead(self.id, self.sequence, self.status)


class InvoiceHead(NamedTuple):
    """Which invoice it is and whether it is final; the rest of it follows from that."""

    id: UUID
    sequence: int
    status: InvoiceStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSummary:
    """What a list shows of an invoice."""

    id: UUID
    number: str | None
    status: InvoiceStatus
    mode: Mode
    customer: str
    consumer: str
    period_start: datetime
    period_end: datetime
    currency: str
    total: int
    finalised_at: datetime | None
