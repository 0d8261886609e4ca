"""Revenue, as the home page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from tollway.billing.insight import Movements, Share
from tollway.kernel.money import Money

__all__ = ["MonthOfRevenue", "Moved", "Revenue", "RevenueView"]


class MonthOfRevenue(NamedTuple):
    """A calendar month, UTC: MRR at its end (or now), and usage on invoices of periods that ended in it."""

    start: datetime
    recurring: Money
    usage: Money


class Moved(NamedTuple):
    """A customer that moved MRR."""

    customer: UUID
    name: str
    change: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueView:
    """Revenue in the currency that leads; `others` are the MRR of the rest, unconverted."""

    now: datetime
    mrr: Money
    goal: Money
    since: datetime
    """When the present month began, UTC: what `movements` count from."""
    movements: Movements
    moved: Sequence[Moved]
    others: Sequence[Money]
    history: Sequence[MonthOfRevenue]
    shares: Sequence[Share]
    customers: int
    """With a subscription in force, free ones included."""
    paying: int
    per_account: Money | None
    """MRR for each paying customer."""
    reached_at: datetime | None
    """When the goal is reached at the pace of the last 30 days."""
    open_usage: Money
    """What usage comes to in periods that are not invoiced yet."""


class Revenue(Protocol):
    """Recurring revenue."""

    def revenue(self) -> RevenueView:
        """Return it as of now."""
