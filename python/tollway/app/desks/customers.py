"""Customers as the console lists and shows them, and what an operator does for one."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from tollway.app.previewing import Preview
from tollway.app.shop import Shop
from tollway.billing.errors import PreviewOvertaken
from tollway.billing.insight import FeeSpan, as_money, per_customer
from tollway.billing.models import Customer, Subscription
from tollway.billing.so_far import lines_so_far
from tollway.billing.subscriptions import Timing
from tollway.catalog.versions import AddOnVersion
from tollway.gateway.models import KeyAuth
from tollway.kernel.currency import currency
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.instants import format_instant, parse_instant
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money, total
from tollway.metering.activity import ActivityRow
from tollway.storage.commerce import Commerce
from tollway.web.console.ports.customers import (
    ActivityDay,
    Agreed,
    ChangePreview,
    CustomerFilter,
    CustomerPage,
    CustomerRow,
    CustomerView,
    KeyRow,
)

__all__ = ["CustomerDesk"]

_PAGE = 50
_DAYS = timedelta(days=30)
_HOLDS = timedelta(minutes=10)
"""How long a preview may be agreed to. What was used meanwhile is charged as well, fees stay to the cent."""


class _Known(NamedTuple):
    """A customer with its subscriptions, the one that counts first."""

    customer: Customer
    subscriptions: Sequence[Subscription]

    @property
    def current(self) -> Subscription | None:
        return self.subscriptions[0] if self.subscriptions else None


class CustomerDesk:
    """`tollway.web.console.ports.customers.Customers`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._gateways = shop.store
        self._usage = shop.usage.query
        self._activity = shop.usage.activity
        self._clock = shop.clock

    def page(self, chosen: CustomerFilter) -> CustomerPage:
        """See `Customers.page`."""
        now = self._clock.now()
        skip = (max(1, chosen.page) - 1) * _PAGE
        matching = (chosen.mode, chosen.text, chosen.plan, now)
        with self._gateways.database.read() as connection:
            commerce = Commerce(connection, self._clock)
            found = commerce.directory.page(*matching, skip=skip, size=_PAGE)
            count = commerce.directory.count(*matching)
            plans = [version.plan.name for version in commerce.catalog.plans()]
            rows = self._rows(commerce, found, now)
        return CustomerPage(
            rows=rows,
            total=count,
            first=skip + 1 if rows else 0,
            more=skip + len(rows) < count,
            plans=plans,
        )

    def newest(self, count: int) -> Sequence[CustomerRow]:
        """See `Customers.newest`."""
        with self._gateways.database.read() as connection:
            commerce = Commerce(connection, self._clock)
            return self._rows(commerce, commerce.directory.newest(Mode.LIVE, count), self._clock.now())

    def _rows(self, commerce: Commerce, found: Sequence[Customer], now: datetime) -> list[CustomerRow]:
        known = self._with_subscriptions(commerce, found)
        ids = [customer.id for customer in found]
        spans, names = commerce.revenue.fee_spans(ids), commerce.directory.names(ids)
        by = self._activity.activity(start=now - _DAYS, end=now + _DAYS, by=("consumer",))
        calls = {row.keys[0]: row for row in by}
        rows = []
        for one in known:
            current = one.current
            phase = None if current is None else current.phase_at(now)
            seen = None if current is None else calls.get(current.consumer)
            rows.append(
                CustomerRow(
                    id=one.customer.id,
                    name=names.get(one.customer.id, one.customer.name),
                    consumer=None if current is None else current.consumer_name,
                    plan=None if phase is None else phase.plan.plan.name,
                    monthly=None if phase is None else _monthly(one, spans, now),
                    calls=0 if seen is None else seen.requests,
                    last_call_at=None if seen is None else seen.last_at,
                    since=one.customer.created_at,
                    ends_at=None if current is None else current.ends_at,
                )
            )
        return rows

    def customer(self, customer: UUID) -> CustomerView:
        """See `Customers.customer`."""
        now = self._clock.now()
        with self._gateways.database.read() as connection:
            commerce = Commerce(connection, self._clock)
            known = self._known(commerce, customer)
            gateway = self._gateways.over(connection)
            consumers = {one.consumer for one in known.subscriptions}
            consumers |= {one.id for one in gateway.consumers.repository.all(customer_id=customer)}
            keys = [
                key for one in sorted(consumers) for key in gateway.key_auths.repository.all(consumer_id=one)
            ]
            invoices = commerce.invoices.summaries(mode=known.customer.mode, customer=known.customer.name)
            spans = commerce.revenue.fee_spans([customer])
            names = commerce.directory.names([customer])
            plans, addons = commerce.catalog.plans(), commerce.catalog.addons()
        current = known.current
        phase = None if current is None else current.phase_at(now)
        lines = [] if current is None else lines_so_far(self._usage, current, now)
        overview = None if phase is None or current is None else self._shop.overviews.of(current.id)
        so_far = None
        if current is not None and phase is not None:
            code = currency(current.currency)
            so_far = total((Money(line.total, code) for line in lines), code)
        return CustomerView(
            customer=known.customer,
            name=names.get(customer, known.customer.name),
            subscription=current,
            earlier=known.subscriptions[1:],
            monthly=_monthly(known, spans, now),
            lines=lines,
            so_far=so_far,
            features=() if overview is None else overview.features,
            meters=() if overview is None else overview.meters,
            keys=self._keys(keys, customer, now),
            days=self._days(customer, now),
            invoices=list(reversed(invoices)),
            plans=[] if phase is None else [one for one in plans if one.id != phase.plan.id],
            addons=[] if current is None else [one for one in addons if not _has(current, one, now)],
        )

    def preview_change(self, customer: UUID, plan: str) -> ChangePreview:
        """See `Customers.preview_change`."""
        of = self._subscription(customer)
        return self._previewed(of, self._shop.previewing.preview_change(of, plan), self._plan_label(plan))

    def preview_add_on(self, customer: UUID, addon: str) -> ChangePreview:
        """See `Customers.preview_add_on`."""
        of = self._subscription(customer)
        return self._previewed(of, self._shop.previewing.preview_add_on(of, addon), self._addon_label(addon))

    def change(self, customer: UUID, plan: str, agreed: Agreed) -> Timing | None:
        """See `Customers.change`."""
        at = self._instant(agreed, self._plan_label(plan))
        if at is None:
            return None
        with contextlib.suppress(PreviewOvertaken):
            return self._shop.subscribing.change(self._subscription(customer), plan, at=at).timing
        return None

    def add_on(self, customer: UUID, addon: str, agreed: Agreed) -> bool:
        """See `Customers.add_on`."""
        at = self._instant(agreed, self._addon_label(addon))
        if at is None:
            return False
        with contextlib.suppress(PreviewOvertaken):
            self._shop.subscribing.add_on(self._subscription(customer), addon, at=at)
            return True
        return False

    def remove_add_on(self, customer: UUID, addon: str) -> None:
        """See `Customers.remove_add_on`."""
        self._shop.subscribing.remove_add_on(self._subscription(customer), addon, Timing.PERIOD_END)

    def cancel(self, customer: UUID, timing: Timing) -> Subscription:
        """See `Customers.cancel`."""
        return self._shop.subscribing.cancel(self._subscription(customer), timing)

    def _subscription(self, customer: UUID) -> UUID:
        with self._gateways.database.read() as connection:
            known = self._known(Commerce(connection, self._clock), customer)
        if known.current is None:
            raise NotFound("subscription of customer", known.customer.name)
        return known.current.id

    def _previewed(self, subscription: UUID, preview: Preview, label: str) -> ChangePreview:
        present, now = self._shop.subscribing.present(subscription)
        code = currency(present.currency)
        # What is due anyway, such as the first fee of a plan taken a moment ago, isn't the change's.
        anyway = {(one.sequence, one.total) for one in self._shop.invoicing.forecast(present, now).due}
        due = [one for one in preview.due_now if (one.sequence, one.total) not in anyway]
        upcoming = preview.upcoming
        return ChangePreview(
            timing=preview.timing,
            effective_at=preview.effective_at,
            due_now=[line for invoice in due for line in invoice.lines],
            total_now=Money(sum(invoice.total for invoice in due), code),
            upcoming=() if upcoming is None else upcoming.lines,
            total_upcoming=Money(0 if upcoming is None else upcoming.total, code),
            upcoming_at=preview.upcoming_at,
            agreed=Agreed(format_instant(now), label),
        )

    def _instant(self, agreed: Agreed, label: str) -> datetime | None:
        """Return the instant of the preview that was agreed to, None where it holds no longer."""
        now = self._clock.now()
        try:
            at = parse_instant(agreed.at, "at")
        except InvalidInput:
            return None
        return at if agreed.version == label and at >= now - _HOLDS else None

    def _plan_label(self, name: str) -> str:
        with self._gateways.database.read() as connection:
            found = Commerce(connection, self._clock).catalog.plan(name)
        if found is None:
            raise NotFound("plan", name)
        return found.label

    def _addon_label(self, name: str) -> str:
        with self._gateways.database.read() as connection:
            found = Commerce(connection, self._clock).catalog.addon(name)
        if found is None:
            raise NotFound("add-on", name)
        return found.label

    def _known(self, commerce: Commerce, customer: UUID) -> _Known:
        return self._with_subscriptions(commerce, [commerce.parties.customer(customer)])[0]

    @staticmethod
    def _with_subscriptions(commerce: Commerce, customers: Sequence[Customer]) -> list[_Known]:
        ids = commerce.directory.subscriptions([customer.id for customer in customers])
        found = commerce.subscriptions.get_many([one for of_one in ids.values() for one in of_one])
        return [_Known(customer, [found[one] for one in ids.get(customer.id, ())]) for customer in customers]

    def _keys(self, keys: Sequence[KeyAuth], customer: UUID, now: datetime) -> list[KeyRow]:
        seen = {
            row.keys[0]: row
            for row in self._activity.activity(
                start=now - _DAYS, end=now + _DAYS, by=("credential",), customer=customer
            )
        }
        return [_key(key, seen.get(key.id)) for key in keys]

    def _days(self, customer: UUID, now: datetime) -> list[ActivityDay]:
        rows = self._activity.activity(
            start=now - _DAYS, end=now + _DAYS, by=("day", "status"), customer=customer
        )
        return activity_days(rows, now)


def _monthly(known: _Known, spans: Sequence[FeeSpan], now: datetime) -> Money | None:
    if known.current is None:
        return None
    code = currency(known.current.currency)
    exact = per_customer(spans, now, code).get(known.customer.id)
    return None if exact is None else as_money(exact, code)


def _has(subscription: Subscription, addon: AddOnVersion, now: datetime) -> bool:
    return any(
        item.addon.addon.name == addon.addon.name and item.ends_at is None
        for item in subscription.items_at(now)
    )


def _key(key: KeyAuth, seen: ActivityRow | None) -> KeyRow:
    return KeyRow(
        id=key.id,
        last_four=key.last_four,
        tags=key.tags or (),
        made_at=key.created_at,
        calls=0 if seen is None else seen.requests,
        last_call_at=None if seen is None else seen.last_at,
    )


def activity_days(rows: Sequence[ActivityRow], now: datetime) -> list[ActivityDay]:
    """Return each of the last 30 days, UTC, with its calls; `rows` are by day and status."""
    calls: Counter[datetime] = Counter()
    errors: Counter[datetime] = Counter()
    for row in rows:
        day, status = row.keys
        assert isinstance(day, datetime)
        calls[day] += row.requests
        if isinstance(status, int) and status >= 500:
            errors[day] += row.requests
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=back) for back in range(_DAYS.days - 1, -1, -1)]
    return [ActivityDay(day, calls[day], errors[day]) for day in days]
