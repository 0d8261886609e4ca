"""Subscriptions for pages and the API: what a consumer has, how much is used, what comes next."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from tollway.app.following import Reference
from tollway.app.subscriptions import Subscribing
from tollway.billing.errors import SubscriptionConflict
from tollway.billing.overview import Overview, overview, period_spans
from tollway.metering.ports import UsageQuery

__all__ = ["Overviews"]


class Overviews:
    """Looks at subscriptions together with what is metered of them."""

    def __init__(self, subscribing: Subscribing, usage: UsageQuery) -> None:
        self._subscribing = subscribing
        self._usage = usage

    def of(self, consumer: Reference) -> Overview:
        """Return a consumer's subscription as it is now; a test clock may be ahead.

        Raises:
            NotFound: there is no such consumer or subscription.
            SubscriptionConflict: it is over.
        """
        subscription, now = self._subscribing.present(consumer)
        spans = period_spans(subscription, now)
        used: dict[str, Decimal] = defaultdict(Decimal)
        for reading in self._usage.readings(spans) if spans else ():
            for found in reading.quantities:
                used[found.meter] += found.quantity
        seen = overview(subscription, now, used)
        if seen is None:
            raise SubscriptionConflict(f"the subscription of {subscription.consumer_name!r} is over")
        return seen
