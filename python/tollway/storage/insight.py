"""What revenue is read from: the fees that phases owe, and usage on final invoices. Live mode alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from tollway.billing.insight import FeeSpan, InvoicedUsage, monthly_fee
from tollway.billing.models import InvoiceStatus, LineKind
from tollway.catalog.models import Interval
from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.currency import Currency, currency
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money
from tollway.storage.catalog import addon_version, plan_version
from tollway.storage.tables.billing import (
    INVOICE,
    INVOICE_LINE,
    SUBSCRIPTION,
    SUBSCRIPTION_ITEM,
    SUBSCRIPTION_PHASE,
)
from tollway.storage.tables.catalog import ADDON_VERSION, PLAN_VERSION

__all__ = ["SqlRevenue"]

_PHASE = (
    SUBSCRIPTION_PHASE.c.plan_version_id,
    SUBSCRIPTION_PHASE.c.starts_at,
    SUBSCRIPTION_PHASE.c.ends_at,
)
_USAGE = (LineKind.USAGE.value, LineKind.LATE_USAGE.value)


class SqlRevenue:
    """`tollway.billing.insight.RevenueSource` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fee_spans(self, customers: Collection[UUID] | None = None) -> Sequence[FeeSpan]:
        """See `RevenueSource.fee_spans`."""
        phase, item = SUBSCRIPTION_PHASE.c, SUBSCRIPTION_ITEM.c
        plans = {
            row.id: _of_plan(plan_version(row))
            for row in self._connection.execute(
                select(PLAN_VERSION).where(PLAN_VERSION.c.id.in_(select(phase.plan_version_id)))
            )
        }
        spans = [
            plans[row.plan_version_id].span(row.customer_id, row.starts_at, row.ends_at)
            for row in self._connection.execute(self._live(customers, *_PHASE))
        ]
        addons = {
            row.id: addon_version(row)
            for row in self._connection.execute(
                select(ADDON_VERSION).where(ADDON_VERSION.c.id.in_(select(item.addon_version_id)))
            )
        }
        # An add-on is charged in the rhythm of the plan it stands beside: each phase it overlaps is a span.
        beside = self._live(
            customers,
            *_PHASE,
            item.addon_version_id,
            item.starts_at.label("added_at"),
            item.ends_at.label("removed_at"),
        ).join(SUBSCRIPTION_ITEM, item.subscription_id == SUBSCRIPTION.c.id)
        fees: dict[tuple[UUID, UUID], _Fee] = {}
        for row in self._connection.execute(beside):
            start = max(row.starts_at, row.added_at)
            ends = [end for end in (row.ends_at, row.removed_at) if end is not None]
            end = min(ends, default=None)
            if end is not None and end <= start:
                continue
            key = row.addon_version_id, row.plan_version_id
            if key not in fees:
                fees[key] = _of_addon(addons[key[0]], plans[key[1]].interval)
            spans.append(fees[key].span(row.customer_id, start, end))
        return spans

    @staticmethod
    def _live(customers: Collection[UUID] | None, *columns: ColumnElement[Any]) -> Select[Any]:
        phase = SUBSCRIPTION_PHASE.c
        query = (
            select(SUBSCRIPTION.c.customer_id, *columns)
            .join_from(SUBSCRIPTION, SUBSCRIPTION_PHASE, SUBSCRIPTION.c.id == phase.subscription_id)
            .where(SUBSCRIPTION.c.mode == Mode.LIVE.value)
            .order_by(phase.starts_at, phase.id)
        )
        return query if customers is None else query.where(SUBSCRIPTION.c.customer_id.in_(customers))

    def invoiced_usage(self, edges: Sequence[datetime]) -> Sequence[InvoicedUsage]:
        """See `RevenueSource.invoiced_usage`."""
        ended = INVOICE.c.period_end
        # Usage of a calendar month is invoiced at the very instant that ends it, so the later edge belongs.
        stretch = case(*((ended <= edge, index) for index, edge in enumerate(edges[1:])))
        rows = self._connection.execute(
            select(
                stretch.label("stretch"), INVOICE.c.currency, func.sum(INVOICE_LINE.c.total).label("total")
            )
            .join(INVOICE_LINE, INVOICE_LINE.c.invoice_id == INVOICE.c.id)
            .where(
                INVOICE.c.mode == Mode.LIVE.value,
                INVOICE.c.status == InvoiceStatus.FINALISED.value,
                ended > edges[0],
                ended <= edges[-1],
                INVOICE_LINE.c.kind.in_(_USAGE),
            )
            .group_by("stretch", INVOICE.c.currency)
            .order_by("stretch", INVOICE.c.currency)
        )
        between = list(pairwise(edges))
        found = []
        for row in rows:
            start, end = between[row.stretch]
            found.append(InvoicedUsage(start, end, Money(int(row.total), currency(row.currency))))
        return found


class _Fee(NamedTuple):
    """What a version costs a month, worked out once for the many subscriptions that have it."""

    item: str
    currency: Currency
    interval: Interval
    monthly: Fraction

    def span(self, customer: UUID, starts_at: datetime, ends_at: datetime | None) -> FeeSpan:
        return FeeSpan(
            customer=customer,
            item=self.item,
            currency=self.currency,
            monthly=self.monthly,
            starts_at=starts_at,
            ends_at=ends_at,
        )


def _of_plan(version: PlanVersion) -> _Fee:
    plan, code = version.plan, version.currency
    return _Fee(plan.name, code, plan.interval, monthly_fee(plan.prices, plan.interval, code))


def _of_addon(version: AddOnVersion, interval: Interval) -> _Fee:
    addon, code = version.addon, version.currency
    return _Fee(addon.name, code, interval, monthly_fee(addon.prices, interval, code))
