"""From the domains' values to what the API sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tollway.billing.add_ons import ItemChange
from tollway.billing.models import Customer, Invoice, Subscription
from tollway.billing.overview import Overview
from tollway.billing.preview import Preview
from tollway.billing.subscriptions import Change, Timing, recurring_fee
from tollway.catalog.canonical import price_data
from tollway.catalog.prices import Price
from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.currency import Currency, currency
from tollway.kernel.exact import to_text
from tollway.kernel.instants import format_instant
from tollway.kernel.money import Money
from tollway.web.api.models import (
    AddOnOut,
    ChangeOut,
    CustomerOut,
    DraftOut,
    ItemOut,
    LineOut,
    MeterUseOut,
    OverviewOut,
    PlanOut,
    PreviewOut,
    SubscriptionOut,
)
from tollway.web.invoice.convert import lines_json

__all__ = [
    "addon_out",
    "change_out",
    "customer_out",
    "overview_out",
    "plan_out",
    "preview_out",
    "subscription_out",
]


def plan_out(version: PlanVersion) -> PlanOut:
    """A plan."""
    plan = version.plan
    return PlanOut(
        **_sold(version, plan.features, plan.quota, plan.prices),
        interval=plan.interval.value,
        billing=plan.billing.value,
        timezone=plan.timezone,
        rate_limit={window.value: limit for window, limit in plan.rate_limit.items()},
    )


def addon_out(version: AddOnVersion) -> AddOnOut:
    """An add-on."""
    addon = version.addon
    return AddOnOut(**_sold(version, addon.features, addon.quota, addon.prices))


def _sold(
    version: PlanVersion | AddOnVersion,
    features: frozenset[str],
    quota: Mapping[str, int],
    prices: tuple[Price, ...],
) -> dict[str, Any]:
    return {
        "name": version.label.rpartition("/")[0],
        "version": version.version,
        "currency": version.currency.code,
        "features": sorted(features),
        "quota": dict(quota),
        "prices": [price_data(price) for price in prices],
        "recurring_fee": Money.rounded(recurring_fee(prices, version.currency), version.currency).text,
    }


def customer_out(customer: Customer) -> CustomerOut:
    """A customer."""
    details = customer.details
    return CustomerOut(
        id=str(customer.id),
        name=customer.name,
        mode=customer.mode,
        legal_name=details.name,
        address=details.address,
        country=details.country,
        tax_ids=[{"kind": tax_id.kind, "value": tax_id.value} for tax_id in details.tax_ids],
        billing_currency=customer.billing_currency,
        created_at=format_instant(customer.created_at),
    )


def subscription_out(subscription: Subscription, now: datetime) -> SubscriptionOut:
    """A subscription as it is at `now`."""
    phase = subscription.phase_at(max(now, subscription.starts_at))
    following = subscription.phases[-1]
    waits = phase is not None and following is not phase
    return SubscriptionOut(
        id=str(subscription.id),
        customer=str(subscription.customer),
        consumer=subscription.consumer_name,
        consumer_id=str(subscription.consumer),
        mode=subscription.mode,
        status="ended" if phase is None else "ending" if subscription.ends_at else "active",
        plan=None if phase is None else phase.plan.plan.name,
        plan_version=None if phase is None else phase.plan.label,
        currency=subscription.currency,
        starts_at=format_instant(subscription.starts_at),
        ends_at=_instant(subscription.ends_at),
        next_plan=following.plan.plan.name if waits else None,
        next_plan_at=format_instant(following.starts_at) if waits else None,
        add_ons=[
            ItemOut(
                id=str(item.id),
                name=item.addon.addon.name,
                version=item.addon.label,
                starts_at=format_instant(item.starts_at),
                ends_at=_instant(item.ends_at),
            )
            for item in subscription.items_at(max(now, subscription.starts_at))
        ],
    )


def change_out(change: Change | ItemChange, now: datetime) -> ChangeOut:
    """What was done to a subscription, and how it is then."""
    waits = change.timing is Timing.PERIOD_END
    return ChangeOut(
        timing=change.timing,
        effective_at=format_instant(change.effective_at),
        subscription=subscription_out(change.subscription, now if waits else change.effective_at),
    )


def preview_out(preview: Preview) -> PreviewOut:
    """A preview."""
    unit = currency(preview.subscription.currency)
    return PreviewOut(
        timing=preview.timing,
        effective_at=format_instant(preview.effective_at),
        currency=unit.code,
        total_now=Money(preview.total_now, unit).text,
        due_now=[_draft(invoice, preview.subscription, unit) for invoice in preview.due_now],
        upcoming_at=_instant(preview.upcoming_at),
        upcoming=None if preview.upcoming is None else _draft(preview.upcoming, preview.subscription, unit),
    )


def overview_out(seen: Overview) -> OverviewOut:
    """An overview."""
    return OverviewOut(
        subscription=subscription_out(seen.subscription, seen.at),
        period_start=format_instant(seen.period.start),
        period_end=format_instant(seen.period.end),
        next_invoice_at=format_instant(seen.next_invoice_at),
        features=seen.features,
        meters=[
            MeterUseOut(
                meter=use.meter,
                used=to_text(use.used),
                limit=use.limit,
                left=None if use.left is None else to_text(use.left),
            )
            for use in seen.meters
        ],
    )


def _draft(invoice: Invoice, subscription: Subscription, unit: Currency) -> DraftOut:
    return DraftOut(
        period_start=format_instant(invoice.period_start),
        period_end=format_instant(invoice.period_end),
        currency=unit.code,
        total=Money(invoice.total, unit).text,
        lines=[LineOut.model_validate(line) for line in lines_json(invoice, subscription)],
    )


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
