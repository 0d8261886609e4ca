"""What revenue is read from: the fees that phases owe, and usage on final invoices. Live mode alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, case, func, select

from tollway.billing.insight import FeeSpan, InvoicedUsage, monthly_fee
from tollway.billing.models import InvoiceStatus, LineKind
from tollway.catalog.versions import PlanVersion
from tollway.kernel.currency import currency
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money
from tollway.storage.catalog import plan_version
from tollway.storage.tables.billing import INVOICE, INVOICE_LINE, SUBSCRIPTION, SUBSCRIPTION_PHASE
from tollway.storage.tables.catalog import PLAN_VERSION

__all__ = ["SqlRevenue"]

_USAGE = (LineKind.USAGE.value, LineKind.LATE_USAGE.value)


class SqlRevenue:
    """`tollway.billing.insight.RevenueSource` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fee_spans(self) -> Sequence[FeeSpan]:
        """See `RevenueSource.fee_spans`."""
        phase, version = SUBSCRIPTION_PHASE.c, PLAN_VERSION.c
        found = self._connection.execute(
            select(PLAN_VERSION).where(version.id.in_(select(phase.plan_version_id)))
        )
        plans = {row.id: _PlanFee.of(plan_version(row)) for row in found}
        rows = self._connection.execute(
            select(SUBSCRIPTION.c.customer_id, phase.plan_version_id, phase.starts_at, phase.ends_at)
            .join(SUBSCRIPTION, SUBSCRIPTION.c.id == phase.subscription_id)
            .where(SUBSCRIPTION.c.mode == Mode.LIVE.value)
            .order_by(phase.starts_at, phase.id)
        )
        return [plans[row.plan_version_id].span(row) for row in rows]

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


class _PlanFee(NamedTuple):
    """A version's fee, worked out once for the many phases that are under it."""

    version: PlanVersion
    monthly: Fraction

    @classmethod
    def of(cls, version: PlanVersion) -> Self:
        plan = version.plan
        return cls(version, monthly_fee(plan.prices, plan.interval, version.currency))

    def span(self, row: Any) -> FeeSpan:
        return FeeSpan(
            customer=row.customer_id,
            item=self.version.plan.name,
            currency=self.version.currency,
            monthly=self.monthly,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
        )
