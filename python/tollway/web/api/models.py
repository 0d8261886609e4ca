"""What the API sends and takes. Amounts are decimal strings in major units, times RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tollway.billing.subscriptions import Timing
from tollway.kernel.mode import Mode

__all__ = [
    "AddOnChange",
    "AddOnOut",
    "AddOnRemoval",
    "Cancellation",
    "ChangeOut",
    "CustomerOut",
    "DraftOut",
    "InvoiceOut",
    "InvoiceRow",
    "ItemOut",
    "LineOut",
    "MeterUseOut",
    "NewSubscription",
    "OverviewOut",
    "PlanChange",
    "PlanOut",
    "PreviewOut",
    "SubscriptionOut",
]

Name = Annotated[str, Field(min_length=1, max_length=256)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewSubscription(_In):
    """Subscribe a consumer from now on; a customer of its name is made if it has none."""

    consumer: Annotated[Name, Field(description="Username, custom id or id.")]
    plan: Name
    mode: Mode = Mode.LIVE


class PlanChange(_In):
    """An upgrade takes effect at once, anything else when the period ends."""

    plan: Name


class AddOnChange(_In):
    """In force at once; its fee for the rest of the period is on the next invoice."""

    add_on: Name


class AddOnRemoval(_In):
    """At the period's end nothing is given back; at once, the rest of the fee is, on the next invoice."""

    timing: Timing = Timing.PERIOD_END


class Cancellation(_In):
    """Fees paid in advance are not given back; usage up to the end is invoiced."""

    timing: Timing = Timing.PERIOD_END


class _Sold(BaseModel):
    name: str
    version: int
    currency: str
    features: Sequence[str]
    quota: Annotated[Mapping[str, int], Field(description="Per meter and billing period.")]
    prices: Annotated[Sequence[Mapping[str, Any]], Field(description="As in the catalog file.")]
    recurring_fee: Annotated[str, Field(description="What a whole period costs before any usage.")]


class PlanOut(_Sold):
    """A plan as it is on sale."""

    interval: str
    billing: str
    timezone: str
    rate_limit: Mapping[str, int]


class AddOnOut(_Sold):
    """An add-on as it is on sale; its fee is for a period of the plan it is taken with."""


class CustomerOut(BaseModel):
    """Who pays."""

    id: str
    name: str
    mode: Mode
    legal_name: str | None
    address: Sequence[str]
    country: str | None
    tax_ids: Sequence[Mapping[str, str]]
    billing_currency: str | None
    created_at: str


class ItemOut(BaseModel):
    """An add-on of a subscription."""

    id: str
    name: str
    version: str
    starts_at: str
    ends_at: str | None


class SubscriptionOut(BaseModel):
    """A subscription. `plan` is null once it has ended; `next_plan` is a change that waits."""

    id: str
    customer: str
    consumer: str
    consumer_id: str
    mode: Mode
    status: Literal["active", "ending", "ended"]
    plan: str | None
    plan_version: str | None
    currency: str
    starts_at: str
    ends_at: str | None
    next_plan: str | None
    next_plan_at: str | None
    add_ons: Sequence[ItemOut]


class ChangeOut(BaseModel):
    """What a change came to."""

    timing: Timing
    effective_at: str
    subscription: SubscriptionOut


class LineOut(BaseModel):
    """A line: `amount` is exact, and the explanation's amounts sum to it; `total` is what is charged."""

    line: int
    kind: str
    description: str
    quantity: str
    unit_amount: str | None
    amount: str
    total: str
    meter: str | None
    service_start: str
    service_end: str
    price: str
    add_on: str | None
    explanation: Sequence[Mapping[str, str]]


class InvoiceRow(BaseModel):
    """What a list shows of an invoice."""

    id: str
    number: str | None
    status: str
    mode: Mode
    customer: str
    consumer: str
    period_start: str
    period_end: str
    currency: str
    total: str
    finalised_at: str | None


class InvoiceOut(InvoiceRow):
    """A whole invoice. `total` is the sum of its lines' totals."""

    subscription: str
    sequence: int
    supplier: Mapping[str, Any] | None
    recipient: Mapping[str, Any] | None
    lines: Sequence[LineOut]


class DraftOut(BaseModel):
    """An invoice as it would be."""

    period_start: str
    period_end: str
    currency: str
    total: str
    lines: Sequence[LineOut]


class PreviewOut(BaseModel):
    """What a change would cost, to the cent: the invoices that fall due with it, and the one after."""

    timing: Timing
    effective_at: str
    currency: str
    total_now: Annotated[str, Field(description="What falls due with the change; below zero it is a credit.")]
    due_now: Sequence[DraftOut]
    upcoming_at: str | None
    upcoming: Annotated[DraftOut | None, Field(description="With the usage metered so far.")]


class MeterUseOut(BaseModel):
    """What was used of a meter in the period."""

    meter: str
    used: str
    limit: int | None
    left: str | None


class OverviewOut(BaseModel):
    """What a subscription has, how much of it is used, and what comes next."""

    subscription: SubscriptionOut
    period_start: str
    period_end: str
    next_invoice_at: str
    features: Sequence[str]
    meters: Sequence[MeterUseOut]
