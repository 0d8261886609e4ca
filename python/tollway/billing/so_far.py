"""What the present period comes to so far, by the code that builds invoices: nothing of it is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from tollway.billing.building import Bill
from tollway.billing.models import InvoiceLine, LineKind, Subscription
from tollway.billing.reading import read_usage
from tollway.billing.timeline import PeriodPart, parts
from tollway.kernel.currency import Currency, currency
from tollway.kernel.money import Money
from tollway.metering.ports import UsageQuery

__all__ = ["lines_so_far", "part_at", "usage_so_far"]


def part_at(subscription: Subscription, now: datetime) -> PeriodPart | None:
    """Return the part of a subscription that `now` lies in, None where no phase is in force."""
    if subscription.phase_at(now) is None:
        return None
    return next(part for part in parts(subscription) if now < part.end)


def lines_so_far(query: UsageQuery, subscription: Subscription, now: datetime) -> list[InvoiceLine]:
    """Return the lines of the part that `now` lies in: its fees, and its usage as it is metered by now."""
    part = part_at(subscription, now)
    if part is None:
        return []
    # Of each bill what is of this part: the plan's fees; usage, and add-ons' fees but for the next period.
    opening = _bill(subscription, opening=part).build(None, now)
    closing = _bill(subscription, closing=part)
    (usage,) = read_usage(query, [closing])
    closed = closing.build(usage, now)
    lines = [line for line in (opening.lines if opening else ()) if line.item is None]
    return [*lines, *(line for line in (closed.lines if closed else ()) if line.service_start < part.end)]


def usage_so_far(
    query: UsageQuery, subscriptions: Iterable[Subscription], now: datetime
) -> Mapping[Currency, Money]:
    """Return what usage comes to in every present part together, by currency: each line is rounded."""
    bills = []
    for subscription in subscriptions:
        part = part_at(subscription, now)
        if part is not None:
            bills.append(_bill(subscription, closing=part))
    sums: dict[Currency, int] = defaultdict(int)
    for bill, usage in zip(bills, read_usage(query, bills), strict=True):
        invoice = bill.build(usage, now)
        if invoice is not None:
            metered = (line.total for line in invoice.lines if line.kind is LineKind.USAGE)
            sums[currency(invoice.currency)] += sum(metered)
    return {code: Money(minor, code) for code, minor in sums.items()}


def _bill(
    subscription: Subscription, *, opening: PeriodPart | None = None, closing: PeriodPart | None = None
) -> Bill:
    # Nothing billed and nothing closed before: what is late for earlier parts is not this part's.
    part = opening or closing
    assert part is not None
    return Bill(
        subscription=subscription,
        sequence=0,
        at=part.start if closing is None else part.end,
        closing=closing,
        opening=opening,
        closed=(),
        billed=(),
    )
