"""Revenue as the console's home shows it: MRR, how it moved, what it is made of, and usage beside it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from tollway.app.subscriptions import DEFAULT_SELLER
from tollway.billing import insight
from tollway.billing.insight import FeeSpan
from tollway.billing.so_far import usage_so_far
from tollway.kernel.clock import Clock
from tollway.kernel.currency import Currency, currency
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money
from tollway.metering.ports import UsageQuery
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database
from tollway.web.console.ports.revenue import MonthOfRevenue, Moved, RevenueView

__all__ = ["RevenueReport"]

_MONTHS = 12
_PACE = timedelta(days=30)
_MOVED_SHOWN = 8
_STALE = timedelta(minutes=1)
"""How old the usage of open periods may be: it is added up from all subscriptions."""


class RevenueReport:
    """`tollway.web.console.ports.revenue.Revenue`. `goal` is in major units of the currency that leads."""

    def __init__(self, main: Database, usage: UsageQuery, clock: Clock, *, goal: Decimal) -> None:
        self._main = main
        self._usage = usage
        self._clock = clock
        self._goal = goal
        self._lock = threading.Lock()
        self._open: tuple[datetime, Mapping[Currency, Money]] | None = None

    def revenue(self) -> RevenueView:
        """See `Revenue.revenue`."""
        now = self._clock.now()
        edges = _month_starts(now, _MONTHS)
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            spans = commerce.revenue.fee_spans()
            leading = _leading(commerce, spans, now)
            invoiced = commerce.revenue.invoiced_usage([*edges, now])
            moves, moved = insight.movements(spans, edges[-1], now, leading)
            shown = [one.customer for one in moved[:_MOVED_SHOWN]]
            called = commerce.directory.names(shown)
            names = {id_: called.get(id_, one.name) for id_, one in commerce.parties.customers(shown).items()}
        zero = Money.zero(leading)
        totals = insight.mrr(spans, now)
        usage = {one.start: one.total for one in invoiced if one.total.currency == leading}
        history = [
            MonthOfRevenue(
                start=start,
                recurring=insight.mrr(spans, min(end, now)).get(leading, zero),
                usage=usage.get(start, zero),
            )
            for start, end in zip(edges, [*edges[1:], now], strict=True)
        ]
        by_customer = insight.per_customer(spans, now, leading)
        payers = insight.paying(by_customer)
        goal = Money.rounded(self._goal, leading)
        pace = insight.mrr(spans, now - _PACE).get(leading, zero)
        return RevenueView(
            now=now,
            mrr=moves.after,
            goal=goal,
            since=edges[-1],
            movements=moves,
            moved=[
                Moved(
                    customer=one.customer,
                    name=names[one.customer],
                    change=insight.as_money(one.after, leading) - insight.as_money(one.before, leading),
                )
                for one in moved[:_MOVED_SHOWN]
            ],
            others=[
                total
                for money, total in sorted(totals.items(), key=lambda item: item[0].code)
                if money != leading and total
            ],
            history=history,
            shares=insight.shares(spans, now, leading),
            customers=len(by_customer),
            paying=payers,
            per_account=_per_account(by_customer.values(), payers, leading),
            reached_at=insight.goal_reached(pace, moves.after, _PACE, goal, now),
            open_usage=self._open_usage(now).get(leading, zero),
        )

    def _open_usage(self, now: datetime) -> Mapping[Currency, Money]:
        with self._lock:
            if self._open is None or now - self._open[0] > _STALE:
                with self._main.read() as connection:
                    subscriptions = Commerce(connection, self._clock).subscriptions.all(Mode.LIVE)
                self._open = now, usage_so_far(self._usage, subscriptions, now)
            return self._open[1]


def _leading(commerce: Commerce, spans: Sequence[FeeSpan], now: datetime) -> Currency:
    """Return the currency that leads: the seller's own, else the one that most customers pay in."""
    seller = commerce.parties.seller_named(DEFAULT_SELLER)
    if seller is not None and seller.home_currency is not None:
        return currency(seller.home_currency)
    counted = Counter(span.currency for span in spans if span.at(now))
    return counted.most_common(1)[0][0] if counted else currency("USD")


def _per_account(amounts: Iterable[Fraction], payers: int, leading: Currency) -> Money | None:
    return insight.as_money(sum(amounts, Fraction(0)) / payers, leading) if payers else None


def _month_starts(now: datetime, count: int) -> list[datetime]:
    """Return when the last `count` months began, UTC, the present one last."""
    months = now.year * 12 + now.month - 1
    return [
        datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        for month in range(months - count + 1, months + 1)
    ]
