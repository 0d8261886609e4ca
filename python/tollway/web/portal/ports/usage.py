"""What an organisation used, what that costs so far, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from tollway.accounts.models import Organisation
from tollway.kernel.money import Money

__all__ = [
    "Cost",
    "CostLine",
    "Gauge",
    "KeyShare",
    "Limit",
    "PeriodChoice",
    "Share",
    "Slot",
    "UsagePages",
    "UsageView",
]


@dataclass(frozen=True, slots=True)
class PeriodChoice:
    """A billing period: `[start, end)`; `number` counts back from the present one, which is 0."""

    number: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class CostLine:
    """A line of the invoice that this period's usage is on."""

    text: str
    detail: str
    total: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a period's invoice comes to: so far for the present one, finally for one that is closed."""

    total: Money
    fees: Money
    usage: Money
    lines: Sequence[CostLine]
    invoiced_at: datetime
    forecast: Money | None = None
    """What it will come to if usage goes on as it did; None where it is too early to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """How far a metered quantity has got: what is included, where calls stop, and what that costs.

    `unit` is the meter's name, until the page says it in the seller's words.
    """

    unit: str
    used: Decimal
    included: Decimal | None
    """None where nothing ever is charged."""
    limit: int | None
    forecast: Decimal | None
    cost_now: Money
    cost_at_limit: Money | None
    fees: Money


@dataclass(frozen=True, slots=True)
class Slot:
    """A day or an hour: what was counted of the metered quantity, split by whether it was charged."""

    start: datetime
    end: datetime
    included: Decimal
    charged: Decimal

    @property
    def counted(self) -> Decimal:
        """Both together."""
        return self.included + self.charged


@dataclass(frozen=True, slots=True)
class Limit:
    """A quota: hard, shared by all keys, beginning anew with each period. `unit` as with `Gauge`."""

    unit: str
    used: Decimal
    limit: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many calls an endpoint had, or ended with a status."""

    name: str
    calls: int


@dataclass(frozen=True, slots=True)
class KeyShare:
    """How many calls a key made, and when the last."""

    name: str
    hint: str
    calls: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageView:
    """Everything the page shows. Times are UTC; `zone` is the plan's, in which days begin."""

    plan: str
    zone: ZoneInfo
    now: datetime
    periods: Sequence[PeriodChoice]
    period: PeriodChoice
    cost: Cost | None
    gauge: Gauge | None
    limits: Sequence[Limit]
    rates: Sequence[tuple[str, int]]
    """Calls in a window, such as `("minute", 1000)`."""
    days: Sequence[Slot]
    hours: Sequence[Slot]
    """Of the day that was asked for; empty without one."""
    day: date | None
    endpoints: Sequence[Share]
    keys: Sequence[KeyShare]
    statuses: Sequence[Share]
    last_at: datetime | None
    pulse: str

    @property
    def current(self) -> bool:
        """Whether the period is the present one."""
        return self.period.number == 0

    @property
    def calls(self) -> int:
        """All calls, whatever they were answered with."""
        return sum(share.calls for share in self.statuses)


class UsagePages(Protocol):
    """What the usage page reads."""

    def view(
        self, organisation: Organisation, *, period: int = 0, day: date | None = None
    ) -> UsageView | None:
        """Return a period's usage, None while the organisation has no plan; the present one by default."""

    def pulse(self, organisation: Organisation) -> str:
        """Return a text that changes whenever the page would: cheap, to be asked every second."""

    def rows(self, organisation: Organisation, *, period: int = 0) -> Iterator[Sequence[str | int]]:
        """Yield the activity of a period for a table program, headings first."""
