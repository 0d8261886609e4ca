"""A subscription's time: the parts that are billed, and the instants at which they are.

A phase and the periods of its plan intersect in *parts*. Parts follow each other without gap or overlap from
the subscription's start to its end. Billing happens at the start (the first part's fees) and at the end of
each part (its usage, and the fees of the part that begins there).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from tollway.billing.models import Phase, Subscription, SubscriptionItem
from tollway.billing.periods import Period, Schedule
from tollway.catalog.models import Cycle, Plan
from tollway.catalog.prices import Price
from tollway.kernel.zones import time_zone

__all__ = [
    "BillingInstant",
    "PartKey",
    "PeriodPart",
    "add_on_fees",
    "billing_instants",
    "parts",
    "period_at",
    "same_rhythm",
    "with_add_ons",
]

_MICROSECOND = timedelta(microseconds=1)


class PartKey(NamedTuple):
    """What tells the parts of a subscription from each other."""

    phase: UUID
    item: UUID | None
    start: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodPart:
    """`[start, end)`: what one phase covers of one of its periods, or what an add-on covers of that.

    `cancelled` parts were cut short by the subscription's end: fees, tiers and allowances are those
    of the whole period, since its fee is not given back.
    """

    phase: Phase
    period: Period
    start: datetime
    end: datetime
    cancelled: bool = False
    item: SubscriptionItem | None = None

    @property
    def key(self) -> PartKey:
        """What identifies it within its subscription."""
        return PartKey(self.phase.id, None if self.item is None else self.item.id, self.start)

    @property
    def prices(self) -> Sequence[Price]:
        """The prices that it is charged by: the add-on's, or the plan's."""
        return self.phase.plan.plan.prices if self.item is None else self.item.addon.addon.prices

    @property
    def share(self) -> Fraction:
        """The part of the whole period that is billed, above 0 and at most 1."""
        end = self.period.end if self.cancelled else self.end
        return Fraction(
            (end - self.start) // _MICROSECOND, (self.period.end - self.period.start) // _MICROSECOND
        )

    @property
    def usage_start(self) -> datetime | None:
        """Where the events begin that belong to this part, None for "whenever".

        Events carry the phase they were judged by, so a phase's first part takes all that came early by
        the gateway's clock, and its last part all that came late: each event is in one part, and billed once.
        """
        return None if self.start == self.phase.starts_at else self.start

    @property
    def usage_end(self) -> datetime | None:
        """Where the events end that belong to this part, None for "whenever"."""
        return None if self.end == self.phase.ends_at else self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingInstant:
    """The `sequence`-th instant at which a subscription is billed: 0 is its start, where nothing closes."""

    sequence: int
    at: datetime
    closing: PeriodPart | None
    opening: PeriodPart | None


def parts(subscription: Subscription) -> Iterator[PeriodPart]:
    """Yield the parts of a subscription in order; without end if it has none."""
    for phase in subscription.phases:
        start = phase.starts_at
        while phase.ends_at is None or start < phase.ends_at:
            period = period_at(phase, start)
            end = period.end if phase.ends_at is None else min(period.end, phase.ends_at)
            cancelled = end == subscription.ends_at and end < period.end
            yield PeriodPart(phase=phase, period=period, start=start, end=end, cancelled=cancelled)
            start = end


def with_add_ons(subscription: Subscription, part: PeriodPart) -> Iterator[PeriodPart]:
    """Yield a part and, for each add-on, as much of it as that was in force: what usage is charged by."""
    yield part
    for item in subscription.items:
        within = _within(part, item)
        if within is not None:
            yield within


def add_on_fees(subscription: Subscription, until: datetime) -> Iterator[PeriodPart]:
    """Yield what fees of add-ons are charged for: each add-on within each period that begins by `until`.

    A change of plan that keeps the period doesn't split it: the add-on stays what it was.
    """
    if not subscription.items:
        return
    for _, of_period in groupby(parts(subscription), key=lambda part: part.period):
        first, *more = of_period
        if first.start > until:
            return
        last = more[-1] if more else first
        whole = replace(first, end=last.end, cancelled=last.cancelled)
        for item in subscription.items:
            within = _within(whole, item)
            if within is not None and within.start <= until:
                yield replace(within, phase=subscription.phase_at(within.start) or first.phase)


def _within(part: PeriodPart, item: SubscriptionItem) -> PeriodPart | None:
    start = max(part.start, item.starts_at)
    end = part.end if item.ends_at is None else min(part.end, item.ends_at)
    if start >= end:
        return None
    return replace(part, item=item, start=start, end=end, cancelled=part.cancelled and end == part.end)


def billing_instants(subscription: Subscription, until: datetime) -> Iterator[BillingInstant]:
    """Yield the instants at or before `until` at which a subscription is billed, in order."""
    closing: PeriodPart | None = None
    at = subscription.starts_at
    remaining = parts(subscription)
    sequence = 0
    while at <= until:
        opening = next(remaining, None)
        yield BillingInstant(sequence=sequence, at=at, closing=closing, opening=opening)
        if opening is None:
            return
        closing, at, sequence = opening, opening.end, sequence + 1


def period_at(phase: Phase, instant: datetime) -> Period:
    """Return the whole period of a phase's plan that `instant` lies in."""
    plan = phase.plan.plan
    local = time_zone(plan.timezone)
    if plan.billing is Cycle.CALENDAR:
        return Schedule.calendar(plan.interval, local).period_at(instant)
    return Schedule.anniversary(plan.interval, phase.anchor, local).period_at(instant)


def same_rhythm(one: Plan, other: Plan) -> bool:
    """Whether two plans' periods are equally long and begin alike, so that a change keeps the anchor."""
    return (one.interval, one.billing, one.timezone) == (other.interval, other.billing, other.timezone)
