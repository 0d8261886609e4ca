"""Customers, and what an operator does for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from tollway.billing.models import Customer, InvoiceLine, InvoiceSummary, Subscription
from tollway.billing.overview import MeterUse
from tollway.billing.subscriptions import Timing
from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money

__all__ = [
    "ActivityDay",
    "Agreed",
    "ChangePreview",
    "CustomerFilter",
    "CustomerPage",
    "CustomerRow",
    "CustomerView",
    "Customers",
    "KeyRow",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFilter:
    """Which customers to list: `text` is part of a name, `plan` one in force. Pages count from 1."""

    mode: Mode = Mode.LIVE
    text: str = ""
    plan: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRow:
    """A customer in a list. `plan` is None where nothing is in force; `calls` are those of 30 days."""

    id: UUID
    name: str
    consumer: str | None
    plan: str | None
    monthly: Money | None
    calls: int
    last_call_at: datetime | None
    since: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPage:
    """Part of the list of customers."""

    rows: Sequence[CustomerRow]
    total: int
    first: int
    """The number of the first row among all, from 1; 0 where there is none."""
    more: bool
    plans: Sequence[str]
    """The names of plans to choose from."""


class KeyRow(NamedTuple):
    """An API key: its last four characters, and what it did in 30 days."""

    id: UUID
    last_four: str
    tags: Sequence[str]
    made_at: datetime
    calls: int
    last_call_at: datetime | None


class ActivityDay(NamedTuple):
    """Calls of one day, and how many of them were answered with an error (5xx)."""

    day: datetime
    """Its beginning, UTC."""
    calls: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerView:
    """One customer. `subscription` is the one in force, or the last there was; money is in its currency."""

    customer: Customer
    name: str
    """What its organisation calls itself, or else its own name."""
    subscription: Subscription | None
    earlier: Sequence[Subscription]
    monthly: Money | None
    lines: Sequence[InvoiceLine]
    """What the present period comes to so far."""
    so_far: Money | None
    features: Sequence[str]
    meters: Sequence[MeterUse]
    """What was used in the present period, and the most that may be."""
    keys: Sequence[KeyRow]
    days: Sequence[ActivityDay]
    invoices: Sequence[InvoiceSummary]
    plans: Sequence[PlanVersion]
    """What the subscription may change to."""
    addons: Sequence[AddOnVersion]
    """What it may take on."""


class Agreed(NamedTuple):
    """Which preview somebody agreed to: its instant, RFC 3339, and the version that it showed."""

    at: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePreview:
    """A change before it is made, to the cent: what falls due with it, and the invoice that comes after."""

    timing: Timing
    effective_at: datetime
    due_now: Sequence[InvoiceLine]
    total_now: Money
    """Below zero it is a credit."""
    upcoming: Sequence[InvoiceLine]
    total_upcoming: Money
    upcoming_at: datetime | None
    agreed: Agreed


class Customers(Protocol):
    """Customers, and what an operator does for them."""

    def page(self, chosen: CustomerFilter) -> CustomerPage:
        """Return a page of customers, by name."""

    def newest(self, count: int) -> Sequence[CustomerRow]:
        """Return the live customers that came last, the newest first."""

    def customer(self, customer: UUID) -> CustomerView:
        """Return one customer.

        Raises:
            NotFound: there is none.
        """

    def preview_change(self, customer: UUID, plan: str) -> ChangePreview:
        """Return what a change to a plan would do.

        Raises:
            NotFound, SubscriptionConflict, CurrencyFixed: it can't be made.
        """

    def preview_add_on(self, customer: UUID, addon: str) -> ChangePreview:
        """Return what taking an add-on on would do. Raises as `preview_change`."""

    def change(self, customer: UUID, plan: str, agreed: Agreed) -> Timing | None:
        """Change the plan as the preview said; None where it holds no longer. Raises as `preview_change`."""

    def add_on(self, customer: UUID, addon: str, agreed: Agreed) -> bool:
        """Take an add-on on as previewed; False where that holds no longer. Raises as `preview_change`."""

    def remove_add_on(self, customer: UUID, addon: str) -> None:
        """Give an add-on up when the period ends. Raises as `preview_change`."""

    def cancel(self, customer: UUID, timing: Timing) -> Subscription:
        """End the subscription now or at the period's end. Raises as `preview_change`."""
