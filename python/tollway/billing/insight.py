"""Recurring revenue: what subscriptions in force bring in a month (MRR), how it moves, where it leads.

MRR is recurring fees alone, each by its monthly equivalent; usage is never in it, nor is test mode. All of it
is read from *fee spans*, stretches of time in which somebody owes a fee, so it is known for any instant of
the past. Amounts are exact until `as_money` makes a figure of them, once. Currencies stand apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple, Protocol
from uuid import UUID

from tollway.billing.subscriptions import recurring_fee
from tollway.catalog.models import Interval
from tollway.catalog.prices import Price
from tollway.kernel.currency import Currency
from tollway.kernel.exact import apportion, divide_half_away
from tollway.kernel.money import Money, total

__all__ = [
    "FeeSpan",
    "InvoicedUsage",
    "Movement",
    "Movements",
    "RevenueSource",
    "Share",
    "as_money",
    "goal_reached",
    "monthly_fee",
    "movements",
    "mrr",
    "paying",
    "per_customer",
    "shares",
]

_A_MONTH: Mapping[Interval, Fraction] = {
    Interval.DAY: Fraction(365, 12),
    Interval.WEEK: Fraction(52, 12),
    Interval.MONTH: Fraction(1),
    Interval.QUARTER: Fraction(1, 3),
    Interval.YEAR: Fraction(1, 12),
}
"""How many of each interval make a month."""

_MICROSECOND = timedelta(microseconds=1)
_FARTHEST = timedelta(days=100 * 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSpan:
    """`[starts_at, ends_at)`: a customer owes the fees of a plan or an add-on, `monthly` in major units."""

    customer: UUID
    item: str
    """The plan's or the add-on's name."""
    currency: Currency
    monthly: Fraction
    starts_at: datetime
    ends_at: datetime | None

    def at(self, instant: datetime) -> bool:
        """Whether it is in force at `instant`."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


class InvoicedUsage(NamedTuple):
    """What usage came to on final invoices whose period ended after `start` and not after `end`."""

    start: datetime
    end: datetime
    total: Money


class RevenueSource(Protocol):
    """Where revenue is read from, in live mode alone."""

    def fee_spans(self, customers: Collection[UUID] | None = None) -> Sequence[FeeSpan]:
        """Return the fee spans of every subscription there ever was, or of these customers' alone."""

    def invoiced_usage(self, edges: Sequence[datetime]) -> Sequence[InvoicedUsage]:
        """Return the usage invoiced for periods that ended between two neighbours of `edges`.

        For each two neighbours and each currency where there was any, in order.
        """


class Movement(NamedTuple):
    """One customer whose monthly fees in one currency changed between two instants."""

    customer: UUID
    before: Fraction
    after: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Movements:
    """How MRR got from one instant to another: `before + new + expansion + contraction + churn = after`.

    The figures are rounded so that they add up as printed. Contraction and churn are zero or below.
    """

    before: Money
    new: Money
    expansion: Money
    contraction: Money
    churn: Money
    after: Money

    @property
    def net(self) -> Money:
        """What it changed by in all."""
        return self.after - self.before


class Share(NamedTuple):
    """What a plan or an add-on contributes to MRR, and of how many customers."""

    item: str
    customers: int
    monthly: Money


def monthly_fee(prices: Iterable[Price], interval: Interval, currency: Currency) -> Fraction:
    """Return the monthly equivalent of a plan's or an add-on's recurring fees, exact, in major units.

    A year counts as 12 months, 52 weeks and 365 days.
    """
    return recurring_fee(prices, currency) * _A_MONTH[interval]


def mrr(spans: Iterable[FeeSpan], instant: datetime) -> dict[Currency, Money]:
    """Return the MRR at an instant in each currency that somebody owes a fee in, zero fees included."""
    exact: dict[Currency, Fraction] = defaultdict(Fraction)
    for span in spans:
        if span.at(instant):
            exact[span.currency] += span.monthly
    return {currency: as_money(amount, currency) for currency, amount in exact.items()}


def per_customer(spans: Iterable[FeeSpan], instant: datetime, currency: Currency) -> dict[UUID, Fraction]:
    """Return what each customer with a subscription in force brings a month in a currency, exact."""
    exact: dict[UUID, Fraction] = defaultdict(Fraction)
    for span in spans:
        if span.currency == currency and span.at(instant):
            exact[span.customer] += span.monthly
    return dict(exact)


def paying(by_customer: Mapping[UUID, Fraction]) -> int:
    """Return how many of `per_customer` owe more than nothing: what revenue per account is divided by."""
    return sum(1 for amount in by_customer.values() if amount)


def movements(
    spans: Sequence[FeeSpan], start: datetime, end: datetime, currency: Currency
) -> tuple[Movements, list[Movement]]:
    """Return how MRR in a currency got from `start` to `end`, and the customers that moved it, most first.

    A customer is compared at the two instants alone: who came and went between them moved nothing. Somebody
    who owed nothing before is new, on a free plan or not; somebody who owes nothing after has churned.
    """
    before, after = per_customer(spans, start, currency), per_customer(spans, end, currency)
    moved = [
        Movement(customer, before.get(customer, Fraction(0)), after.get(customer, Fraction(0)))
        for customer in before.keys() | after.keys()
    ]
    moved = [one for one in moved if one.before != one.after]
    moved.sort(key=lambda one: (-abs(one.after - one.before), str(one.customer)))
    opening = as_money(sum(before.values(), Fraction(0)), currency)
    closing = as_money(sum(after.values(), Fraction(0)), currency)
    kinds = [Fraction(0)] * 4
    for one in moved:
        kinds[_kind(one)] += one.after - one.before
    new, expansion, contraction, churn = _adding_up(kinds, closing - opening)
    return Movements(
        before=opening, new=new, expansion=expansion, contraction=contraction, churn=churn, after=closing
    ), moved


def shares(spans: Iterable[FeeSpan], instant: datetime, currency: Currency) -> list[Share]:
    """Return what makes up the MRR of a currency, the greatest first; the figures sum to it as printed."""
    exact: dict[str, Fraction] = defaultdict(Fraction)
    customers: dict[str, set[UUID]] = defaultdict(set)
    for span in spans:
        if span.currency == currency and span.at(instant):
            exact[span.item] += span.monthly
            customers[span.item].add(span.customer)
    items = sorted(exact, key=lambda item: (-exact[item], item))
    scaled = [exact[item] * 10**currency.exponent for item in items]
    whole = as_money(sum(exact.values(), Fraction(0)), currency).minor
    return [
        Share(item, len(customers[item]), Money(minor, currency))
        for item, minor in zip(items, apportion(whole, scaled), strict=True)
    ]


def goal_reached(
    before: Money, after: Money, since: timedelta, goal: Money, now: datetime
) -> datetime | None:
    """Return when a goal is reached if MRR goes on as it went from `before` to `after` in `since`.

    A straight line, and nothing more. None where it is reached, not getting nearer, or a century away.
    """
    gained, missing = (after - before).minor, (goal - after).minor
    if gained <= 0 or missing <= 0:
        return None
    left = Fraction(missing, gained) * (since // _MICROSECOND)
    if left > _FARTHEST // _MICROSECOND:
        return None
    return now + timedelta(microseconds=divide_half_away(left.numerator, left.denominator))


def as_money(exact: Fraction, currency: Currency) -> Money:
    """Round one figure, half away from zero."""
    return Money.rounded(exact, currency)


def _kind(one: Movement) -> int:
    if not one.before:
        return 0
    if not one.after:
        return 3
    return 1 if one.after > one.before else 2


def _adding_up(exact: Sequence[Fraction], net: Money) -> list[Money]:
    """Round figures so that they sum to `net`: what is over or short goes to those that were rounded most.

    A figure of zero stays zero: nobody moved that way.
    """
    currency = net.currency
    rounded = [as_money(amount, currency) for amount in exact]
    over = (total(rounded, currency) - net).minor
    step = -1 if over > 0 else 1
    lost = [
        amount * 10**currency.exponent - figure.minor for amount, figure in zip(exact, rounded, strict=True)
    ]
    moved = sorted((i for i, amount in enumerate(exact) if amount), key=lambda i: (-step * lost[i], i))
    for turn in range(abs(over)):
        index = moved[turn % len(moved)]
        rounded[index] += Money(step, currency)
    return rounded
