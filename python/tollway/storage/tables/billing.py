"""Tables of billing. Triggers (migration 0002) keep a finalised invoice and its lines as they are."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from tollway.storage.database import MAIN
from tollway.storage.types import BigInt, DecimalText, Identifier, Json, UtcTimestamp

__all__ = [
    "CUSTOMER",
    "INVOICE",
    "INVOICE_LINE",
    "NUMBER_SERIES",
    "SELLER_ENTITY",
    "SUBSCRIPTION",
    "SUBSCRIPTION_ITEM",
    "SUBSCRIPTION_PHASE",
]


def _mode() -> Column[str]:
    return Column("mode", String(4), CheckConstraint("mode IN ('live', 'test')", name="mode"), nullable=False)


SELLER_ENTITY = Table(
    "seller_entity",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(200)),
    Column("address", Json, nullable=False),
    Column("country", String(2)),
    Column("tax_ids", Json, nullable=False),
    Column("home_currency", String(3)),
    # What invoice numbers begin with; test invoices have `TEST-` before it.
    Column("invoice_prefix", String(16), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

CUSTOMER = Table(
    "customer",
    MAIN,
    Column("id", Identifier, primary_key=True),
    _mode(),
    Column("name", String(200), nullable=False),
    Column("legal_name", String(200)),
    Column("address", Json, nullable=False),
    Column("country", String(2)),
    Column("tax_ids", Json, nullable=False),
    # Fixed by the first finalised invoice; null before it.
    Column("billing_currency", String(3)),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
    UniqueConstraint("mode", "name"),
)

SUBSCRIPTION = Table(
    "subscription",
    MAIN,
    Column("id", Identifier, primary_key=True),
    _mode(),
    Column("seller_entity_id", Identifier, ForeignKey("seller_entity.id"), nullable=False),
    Column("customer_id", Identifier, ForeignKey("customer.id"), nullable=False, index=True),
    # No foreign key: the Admin API may delete a consumer, and what it used is invoiced all the same.
    Column("consumer_id", Identifier, nullable=False, index=True),
    Column("consumer_name", String(256), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("starts_at", UtcTimestamp, nullable=False),
    Column("ends_at", UtcTimestamp),
    Column("cancelled_at", UtcTimestamp),
    # Nothing is to be billed before it; whatever changes a subscription sets it back.
    Column("next_bill_at", UtcTimestamp, nullable=False, index=True),
    # When the gateway is to be told anew what the consumer may use; null once there is nothing to tell.
    Column("next_follow_at", UtcTimestamp, index=True),
    Column("created_at", UtcTimestamp, nullable=False),
    CheckConstraint("ends_at IS NULL OR ends_at >= starts_at", name="order"),
)
Index(
    "uq_subscription_consumer_open",
    SUBSCRIPTION.c.consumer_id,
    unique=True,
    sqlite_where=SUBSCRIPTION.c.ends_at.is_(None),
    postgresql_where=SUBSCRIPTION.c.ends_at.is_(None),
)

SUBSCRIPTION_PHASE = Table(
    "subscription_phase",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("subscription_id", Identifier, ForeignKey("subscription.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("plan_version_id", Identifier, ForeignKey("plan_version.id"), nullable=False, index=True),
    # Boundaries are computed from the anchor, which a change at the same interval keeps.
    Column("anchor", UtcTimestamp, nullable=False),
    Column("starts_at", UtcTimestamp, nullable=False),
    Column("ends_at", UtcTimestamp, index=True),
    UniqueConstraint("subscription_id", "position"),
    CheckConstraint("ends_at IS NULL OR ends_at >= starts_at", name="order"),
)

SUBSCRIPTION_ITEM = Table(
    "subscription_item",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("subscription_id", Identifier, ForeignKey("subscription.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("addon_version_id", Identifier, ForeignKey("addon_version.id"), nullable=False),
    Column("starts_at", UtcTimestamp, nullable=False),
    Column("ends_at", UtcTimestamp),
    UniqueConstraint("subscription_id", "position"),
    CheckConstraint("ends_at IS NULL OR ends_at >= starts_at", name="order"),
)

NUMBER_SERIES = Table(
    "number_series",
    MAIN,
    Column("seller_entity_id", Identifier, ForeignKey("seller_entity.id"), primary_key=True),
    Column("series", String(16), primary_key=True),
    Column("mode", String(4), CheckConstraint("mode IN ('live', 'test')", name="mode"), primary_key=True),
    Column("last_number", BigInt, nullable=False),
)

INVOICE = Table(
    "invoice",
    MAIN,
    Column("id", Identifier, primary_key=True),
    _mode(),
    Column("seller_entity_id", Identifier, ForeignKey("seller_entity.id"), nullable=False),
    Column("customer_id", Identifier, ForeignKey("customer.id"), nullable=False, index=True),
    Column("subscription_id", Identifier, ForeignKey("subscription.id"), nullable=False),
    # The n-th instant at which the subscription is billed: 0 is its start, n closes its n-th part.
    Column("sequence", Integer, nullable=False),
    Column("status", String(9), nullable=False),
    Column("number", String(40)),
    Column("currency", String(3), nullable=False),
    Column("period_start", UtcTimestamp, nullable=False),
    Column("period_end", UtcTimestamp, nullable=False),
    Column("total", BigInt, nullable=False),
    # Party details as they were at finalising.
    Column("supplier", Json),
    Column("recipient", Json),
    # What was read of usage: up to when it was complete, and how far each shard of the log had been metered.
    Column("usage_watermark", UtcTimestamp),
    Column("usage_cursor", Json, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("finalised_at", UtcTimestamp),
    UniqueConstraint("subscription_id", "sequence"),
    UniqueConstraint("seller_entity_id", "number"),
    CheckConstraint("status IN ('draft', 'finalised')", name="status"),
    CheckConstraint(
        "status = 'draft' OR (number IS NOT NULL AND supplier IS NOT NULL AND recipient IS NOT NULL"
        " AND finalised_at IS NOT NULL)",
        name="finalised_is_complete",
    ),
)
Index("ix_invoice_period_end", INVOICE.c.mode, INVOICE.c.period_end)

INVOICE_LINE = Table(
    "invoice_line",
    MAIN,
    Column("invoice_id", Identifier, ForeignKey("invoice.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("description", String(400), nullable=False),
    Column("quantity", DecimalText, nullable=False),
    Column("unit_amount", DecimalText),
    # Exact, before rounding; `total` is what is charged, in minor units.
    Column("amount", DecimalText, nullable=False),
    Column("total", BigInt, nullable=False),
    # The price stands in the add-on version of the item, or without one in the plan version of the phase.
    Column("price_index", Integer, nullable=False),
    Column("phase_id", Identifier, ForeignKey("subscription_phase.id"), nullable=False, index=True),
    Column("item_id", Identifier, ForeignKey("subscription_item.id")),
    Column("meter", String(128)),
    Column("service_start", UtcTimestamp, nullable=False),
    Column("service_end", UtcTimestamp, nullable=False),
    # The usage window, where there is one: it may reach beyond the service period, see billing/README.md.
    Column("usage_start", UtcTimestamp),
    Column("usage_end", UtcTimestamp),
    # Where the events of a late line begin: behind what an earlier invoice had read.
    Column("usage_after", Json),
    Column("explanation", Json, nullable=False),
)
