"""What the portal's usage page reads: the next invoice, metered quantities by day, activity by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from tollway.accounts.models import Organisation
from tollway.app.charges import cost_lines
from tollway.app.invoicing import Invoicing
from tollway.app.usage_series import Metered, days_of, hours_of, metered_part, present_part
from tollway.billing.entitlements import quotas
from tollway.billing.lines import usage_line
from tollway.billing.models import Invoice, InvoiceStatus, LineKind, Subscription
from tollway.billing.timeline import PeriodPart, parts, period_at
from tollway.kernel.clock import Clock
from tollway.kernel.currency import currency
from tollway.kernel.instants import format_instant
from tollway.kernel.money import Money
from tollway.kernel.zones import time_zone
from tollway.metering.activity import ActivityQuery, ActivityRow, By
from tollway.metering.ports import UsageQuery
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database
from tollway.storage.names import Names
from tollway.web.portal.ports.usage import (
    Cost,
    Gauge,
    KeyShare,
    Limit,
    PeriodChoice,
    Share,
    Slot,
    UsageView,
)

__all__ = ["CustomerUsage"]

_PERIODS = 12
_SOONEST_FORECAST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whose usage it is: a subscription, its invoices, and the periods it has had, the present one first."""

    subscription: Subscription
    invoices: Sequence[Invoice]
    periods: Sequence[PeriodChoice]


class CustomerUsage:
    """Implements `web.portal.ports.usage.UsagePages`."""

    def __init__(
        self,
        main: Database,
        query: UsageQuery,
        activity: ActivityQuery,
        invoicing: Invoicing,
        clock: Clock,
    ) -> None:
        self._main = main
        self._query = query
        self._activity = activity
        self._invoicing = invoicing
        self._clock = clock

    def view(
        self, organisation: Organisation, *, period: int = 0, day: date | None = None
    ) -> UsageView | None:
        """See `UsagePages.view`."""
        now = self._clock.now()
        pulse = self.pulse(organisation)  # before anything is read: what comes meanwhile is a new one
        subject = self._subject(organisation, now)
        if subject is None:
            return None
        subscription = subject.subscription
        chosen = subject.periods[min(max(period, 0), len(subject.periods) - 1)]
        until = min(now, chosen.end)
        within = _parts_within(subscription, chosen)
        part = present_part(within, now)
        plan = part.phase.plan.plan
        zone = time_zone(plan.timezone)
        metered = Metered.read(self._query, subscription.customer, within, until, zone)
        days = days_of(metered)
        if not any(metered_part(one) for one in within):
            days = self._calls_by_day(organisation, days)
        hours = [] if day is None else hours_of(self._query, metered, day)
        invoice = self._invoice(subject, chosen)
        activity = self._rows(organisation, chosen, ("route", "credential", "status"))
        cost = None if invoice is None else self._cost(invoice, part, metered, now)
        with self._main.read() as connection:
            names = Names(connection)
            endpoints = _shares(activity, lambda row: names.route(_id(row, 0)) or "no route")
            keys = _keys(activity, names)
        return UsageView(
            plan=plan.name,
            zone=zone,
            now=now,
            periods=subject.periods,
            period=chosen,
            cost=cost,
            gauge=None if cost is None else _gauge(part, metered, cost, quotas(subscription, now), now),
            limits=[
                Limit(meter, metered.total(meter), limit)
                for meter, limit in sorted(quotas(subscription, until).items())
            ]
            if chosen.number == 0
            else [],
            rates=[(window.value, limit) for window, limit in plan.rate_limit.items()],
            days=days,
            hours=hours,
            day=day if hours else None,
            endpoints=endpoints,
            keys=keys,
            statuses=_shares(activity, lambda row: str(row.keys[2] or "other"), by_name=True),
            last_at=max((row.last_at for row in activity), default=None),
            pulse=pulse,
        )

    def pulse(self, organisation: Organisation) -> str:
        """See `UsagePages.pulse`."""
        if organisation.consumer is None:
            return "none"
        now = self._clock.now()
        with self._main.read() as connection:
            found = Commerce(connection, self._clock).subscriptions.current_of(organisation.consumer, now)
        if found is None:
            return "none"
        phase = found.phase_at(now) or found.phases[-1]
        start = period_at(phase, now).start
        rows = self._activity.activity(
            start=start, end=now + timedelta(hours=1), by=(), consumer=found.consumer
        )
        seen = f"{rows[0].requests}-{format_instant(rows[0].last_at)}" if rows else "0"
        has = f"{phase.id.hex[-6:]}-{len(found.phases)}-{len(found.items)}"
        return f"{has}-{format_instant(start)}-{seen}"

    def rows(self, organisation: Organisation, *, period: int = 0) -> Iterator[Sequence[str | int]]:
        """See `UsagePages.rows`."""
        yield ("hour_utc", "endpoint", "key", "status", "calls", "units", "bytes_out")
        subject = self._subject(organisation, self._clock.now())
        if subject is None:
            return
        chosen = subject.periods[min(max(period, 0), len(subject.periods) - 1)]
        found = self._rows(organisation, chosen, ("hour", "route", "credential", "status"))
        with self._main.read() as connection:
            names = Names(connection)
            for row in found:
                hour = row.keys[0]
                assert isinstance(hour, datetime)
                yield (
                    format_instant(hour),
                    names.route(_id(row, 1)) or "",
                    names.credential(_id(row, 2))[0],
                    str(row.keys[3] or ""),
                    row.requests,
                    row.units,
                    row.bytes_out,
                )

    def _subject(self, organisation: Organisation, now: datetime) -> _Subject | None:
        if organisation.consumer is None:
            return None
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            found = commerce.subscriptions.current_of(organisation.consumer, now)
            # The customer says whose it is: a consumer's id alone may have been another's once.
            if found is None or found.customer != organisation.customer:
                return None
            invoices = commerce.invoices.of_subscription(found.id)
        periods = _periods(found, now)
        return _Subject(found, invoices, periods) if periods else None

    def _rows(
        self, organisation: Organisation, period: PeriodChoice, by: Sequence[By]
    ) -> Sequence[ActivityRow]:
        return self._activity.activity(
            start=period.start,
            end=period.end,
            by=by,
            consumer=organisation.consumer,
        )

    def _calls_by_day(self, organisation: Organisation, days: Sequence[Slot]) -> list[Slot]:
        """Return the same days with every call: a plan that meters nothing includes them all."""
        if not days:
            return []
        rows = self._activity.activity(
            start=days[0].start, end=days[-1].end, by=("hour",), consumer=organisation.consumer
        )
        return [
            replace(
                day,
                included=Decimal(
                    sum(
                        row.requests
                        for row in rows
                        if isinstance(row.keys[0], datetime) and day.start <= row.keys[0] < day.end
                    )
                ),
            )
            for day in days
        ]

    def _invoice(self, subject: _Subject, period: PeriodChoice) -> Invoice | None:
        if period.number == 0:
            return self._invoicing.forecast(subject.subscription).upcoming
        closing = [
            invoice
            for invoice in subject.invoices
            if invoice.status is InvoiceStatus.FINALISED and invoice.period_end == period.end
        ]
        return closing[-1] if closing else None

    def _cost(self, invoice: Invoice, part: PeriodPart, metered: Metered, now: datetime) -> Cost:
        unit = currency(invoice.currency)
        usage = [line for line in invoice.lines if line.kind in {LineKind.USAGE, LineKind.LATE_USAGE}]
        fees = [line for line in invoice.lines if line not in usage]
        share = _elapsed(part, now)
        forecast = None
        if share is not None and invoice.period_end == part.end:
            more = _usage_at(part, metered, share) - _usage_at(part, metered, Decimal(1))
            forecast = Money(invoice.total + more, unit)
        return Cost(
            total=Money(invoice.total, unit),
            fees=Money(sum(line.total for line in fees), unit),
            usage=Money(sum(line.total for line in usage), unit),
            lines=cost_lines(invoice, metered.zone),
            invoiced_at=invoice.period_end,
            forecast=forecast,
        )


def _periods(subscription: Subscription, now: datetime) -> list[PeriodChoice]:
    """Return the periods up to the present one, newest first. A change of plan within one is no new one."""
    found: list[tuple[datetime, datetime]] = []
    for part in parts(subscription):
        if part.start > now:
            break
        span = (part.start, part.period.end)
        if found and found[-1][1] == span[1]:
            continue
        if found and found[-1][1] > span[0]:  # the change began a new rhythm and cut the old period short
            found[-1] = (found[-1][0], span[0])
        found.append(span)
    newest = found[::-1][:_PERIODS]
    return [PeriodChoice(number, start, end) for number, (start, end) in enumerate(newest)]


def _parts_within(subscription: Subscription, period: PeriodChoice) -> list[PeriodPart]:
    within = []
    for part in parts(subscription):
        if part.start >= period.end:
            break
        if part.start >= period.start:
            within.append(part)
    return within


def _gauge(
    part: PeriodPart, metered: Metered, cost: Cost, limits: Mapping[str, int], now: datetime
) -> Gauge | None:
    shown = metered_part(part)
    if shown is None:
        return None
    used = metered.of_part(part, shown.meter)
    limit = limits.get(shown.meter)
    share = _elapsed(part, now)
    here = _usage_of(part, shown.meter, used)
    at_limit = None if limit is None else cost.total + _usage_of(part, shown.meter, Decimal(limit)) - here
    return Gauge(
        unit=shown.meter,
        used=used,
        included=shown.included,
        limit=limit,
        forecast=None if share is None else (used * share).quantize(Decimal(1)),
        cost_now=cost.total,
        cost_at_limit=at_limit,
        fees=cost.total - here,
    )


def _elapsed(part: PeriodPart, now: datetime) -> Decimal | None:
    """Return by how much usage grows until the part's end at its pace so far; None if it is too early."""
    past, whole = now - part.start, part.end - part.start
    if past < min(_SOONEST_FORECAST, whole / 4) or now >= part.end:
        return None
    return Decimal(whole // timedelta(seconds=1)) / Decimal(max(1, past // timedelta(seconds=1)))


def _usage_at(part: PeriodPart, metered: Metered, growth: Decimal) -> int:
    return sum(
        _usage_of(part, price.meter, (metered.of_part(part, price.meter) * growth).quantize(Decimal(1))).minor
        for price in part.phase.plan.plan.prices
        if price.meter is not None
    )


def _usage_of(part: PeriodPart, meter: str, quantity: Decimal) -> Money:
    """Return what a part's prices of a meter come to for a quantity."""
    lines = [
        usage_line(part, index, price, quantity)
        for index, price in enumerate(part.phase.plan.plan.prices)
        if price.meter == meter
    ]
    return Money(sum(line.total for line in lines), part.phase.plan.currency)


def _id(row: ActivityRow, position: int) -> UUID | None:
    key = row.keys[position]
    return key if isinstance(key, UUID) else None


def _shares(
    activity: Sequence[ActivityRow], name: Callable[[ActivityRow], str], *, by_name: bool = False
) -> list[Share]:
    counted: Counter[str] = Counter()
    for row in activity:
        counted[name(row)] += row.requests
    ordered = (
        sorted(counted.items()) if by_name else sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    )
    return [Share(one, calls) for one, calls in ordered]


def _keys(activity: Sequence[ActivityRow], names: Names) -> list[KeyShare]:
    calls: Counter[UUID | None] = Counter()
    last: dict[UUID | None, datetime] = {}
    for row in activity:
        key = _id(row, 1)
        calls[key] += row.requests
        last[key] = max(last.get(key, row.last_at), row.last_at)
    return [KeyShare(*names.credential(key), count, last[key]) for key, count in calls.most_common()]
