"""What a change would cost, as it is told before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tollway.billing.models import Invoice, Subscription
from tollway.billing.subscriptions import Timing

__all__ = ["Preview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is charged, and when a change takes effect; the invoices are drafts that were not stored.

    `due_now` are the invoices that fall due with the change, each with its lines; there are none where
    nothing is charged before the period ends. `upcoming` is the one after, at `upcoming_at`, with the usage
    known so far; it is None where that will charge nothing.
    """

    subscription: Subscription
    """As it would be."""
    timing: Timing
    effective_at: datetime
    due_now: tuple[Invoice, ...]
    upcoming: Invoice | None
    upcoming_at: datetime | None

    @property
    def total_now(self) -> int:
        """What falls due with the change, in minor units; below zero it is a credit."""
        return sum(invoice.total for invoice in self.due_now)
