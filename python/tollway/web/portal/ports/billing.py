"""What an organisation has agreed to, what it will be charged, its invoices, and changing what it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from tollway.accounts.models import Organisation
from tollway.billing.models import Subscription
from tollway.billing.periods import Period
from tollway.catalog.versions import PlanVersion
from tollway.kernel.money import Money
from tollway.web.portal.ports.usage import CostLine

__all__ = ["BillingPages", "BillingView", "ChangePreview", "Charge", "HeldAddOn", "InvoiceRow"]


@dataclass(frozen=True, slots=True)
class Charge:
    """An invoice to come: what is on it, and when it is issued."""

    total: Money
    lines: Sequence[CostLine]
    at: datetime


@dataclass(frozen=True, slots=True)
class HeldAddOn:
    """An add-on that the organisation has; `ends_at` is set where it is about to go."""

    name: str
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A final invoice as the list shows it. `due` is what is still to be paid."""

    id: UUID
    number: str
    issued_at: datetime
    total: Money
    due: Money
    paid: bool
    message: str | None
    action_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingView:
    """The billing page. `due` are invoices that are about to be issued, `upcoming` the one after."""

    subscription: Subscription
    plan: PlanVersion
    period: Period
    zone: ZoneInfo
    now: datetime
    due: Sequence[Charge]
    upcoming: Charge | None
    upcoming_at: datetime | None
    addons: Sequence[HeldAddOn]
    next_plan: PlanVersion | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePreview:
    """What a change would cost, to the cent. `agreed` is what confirming it has to say."""

    at_once: bool
    effective_at: datetime
    due: Sequence[Charge]
    upcoming: Charge | None
    upcoming_at: datetime | None
    zone: ZoneInfo
    currency: str
    before: PlanVersion
    after: PlanVersion
    agreed: Mapping[str, str]

    @property
    def total_now(self) -> Money | None:
        """What is charged with the change, None where nothing is."""
        if not self.due:
            return None
        first, *rest = (charge.total for charge in self.due)
        return sum(rest, start=first)


class BillingPages(Protocol):
    """Everything is looked up through the organisation; `NotFound` where something is not its own.

    A change says what was agreed to in its preview (`agreed`); it returns False, and changes nothing, where
    that is too old or the price has changed since: then the preview is shown again.
    """

    def view(self, organisation: Organisation) -> BillingView | None:
        """Return the page's facts, None while there is no plan."""

    def preview_change(self, organisation: Organisation, plan: str) -> ChangePreview:
        """Return what changing to a plan would cost. Raises `NotFound`, `Conflict`."""

    def change(self, organisation: Organisation, plan: str, agreed: Mapping[str, str]) -> bool:
        """Change to a plan. Raises `NotFound`, `Conflict`."""

    def preview_add_on(self, organisation: Organisation, name: str) -> ChangePreview:
        """Return what adding an add-on would cost. Raises `NotFound`, `Conflict`."""

    def add_on(self, organisation: Organisation, name: str, agreed: Mapping[str, str]) -> bool:
        """Add an add-on. Raises `NotFound`, `Conflict`."""

    def preview_removal(self, organisation: Organisation, name: str) -> ChangePreview:
        """Return when an add-on would end and what is charged then. Raises `NotFound`, `Conflict`."""

    def remove_add_on(self, organisation: Organisation, name: str) -> None:
        """Remove an add-on at the period's end. Raises `NotFound`, `Conflict`."""

    def cancel(self, organisation: Organisation) -> datetime:
        """End the subscription with its period; return when that is. Raises `NotFound`, `Conflict`."""

    def invoices(self, organisation: Organisation) -> Sequence[InvoiceRow]:
        """Return the final invoices, newest first."""

    def invoice(self, organisation: Organisation, invoice: UUID) -> tuple[InvoiceRow, Mapping[str, Any]]:
        """Return a final invoice, as a row and whole (`invoice_json`). Raises `NotFound`."""
