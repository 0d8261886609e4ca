"""A subscription as people ask about it: what it has now, how much of it is used, what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tollway.billing.entitlements import quotas
from tollway.billing.models import Phase, Subscription, SubscriptionItem
from tollway.billing.periods import Period
from tollway.billing.timeline import period_at
from tollway.metering.ports import UsageSpan

__all__ = ["MeterUse", "Overview", "overview", "period_spans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterUse:
    """What was used of a meter in the period, and the most that may be; `limit` None is no limit."""

    meter: str
    used: Decimal
    limit: int | None

    @property
    def left(self) -> Decimal | None:
        """What is left of the limit, never below zero."""
        return None if self.limit is None else max(Decimal(0), self.limit - self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A subscription at the instant `at`.

    `phase` is in force, and at the end of `period` quotas begin anew. `meters` are those that are limited or
    priced, by name. `next_phase` is a change of plan that waits.
    """

    subscription: Subscription
    at: datetime
    phase: Phase
    period: Period
    items: Sequence[SubscriptionItem]
    features: Sequence[str]
    meters: Sequence[MeterUse]
    next_phase: Phase | None
    next_invoice_at: datetime


def period_spans(subscription: Subscription, at: datetime) -> Sequence[UsageSpan]:
    """Return whose usage is that of the period that `at` lies in: of each phase that has a part in it."""
    phase = subscription.phase_at(at)
    if phase is None:
        return ()
    start = period_at(phase, at).start
    return [
        UsageSpan(
            customer=subscription.customer,
            phase=one.id,
            # All of a phase that began within the period is in it, whatever the gateway's clock said.
            start=None if one.starts_at >= start else start,
        )
        for one in subscription.phases
        if one.starts_at <= at and (one.ends_at is None or one.ends_at > start)
    ]


def overview(subscription: Subscription, at: datetime, used: Mapping[str, Decimal]) -> Overview | None:
    """Return the subscription at `at`, None where it is not in force; `used` is by meter, in the period."""
    phase = subscription.phase_at(at)
    if phase is None:
        return None
    items = subscription.items_at(at)
    period = period_at(phase, at)
    limits = quotas(subscription, at)
    sold = [phase.plan.plan.prices, *(item.addon.addon.prices for item in items)]
    priced = {price.meter for prices in sold for price in prices if price.meter is not None}
    following = subscription.phases[phase.position + 1 :]
    return Overview(
        subscription=subscription,
        at=at,
        phase=phase,
        period=period,
        items=items,
        features=sorted(phase.plan.plan.features.union(*(item.addon.addon.features for item in items))),
        meters=[
            MeterUse(meter=name, used=used.get(name, Decimal(0)), limit=limits.get(name))
            for name in sorted({*limits, *priced})
        ],
        next_phase=following[0] if following else None,
        next_invoice_at=period.end if phase.ends_at is None else min(period.end, phase.ends_at),
    )
