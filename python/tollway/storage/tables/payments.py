"""Tables of payments: accounts at providers, saved methods, payments with attempts and refunds, the inbox."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
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
from tollway.storage.types import BigInt, Identifier, UtcTimestamp

__all__ = [
    "PAYMENT",
    "PAYMENT_ACCOUNT",
    "PAYMENT_ATTEMPT",
    "PAYMENT_METHOD",
    "PAYMENT_REFUND",
    "PAYMENT_SETUP",
    "SUBSCRIPTION_SHOWN",
    "USAGE_REPORT",
    "USAGE_REPORTED",
    "WEBHOOK_INBOX",
]

PAYMENT_ACCOUNT = Table(
    "payment_account",
    MAIN,
    Column("customer_id", Identifier, ForeignKey("customer.id"), primary_key=True),
    Column("provider", String(32), primary_key=True),
    Column("reference", String(255), nullable=False),
)

PAYMENT_SETUP = Table(
    "payment_setup",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("customer_id", Identifier, ForeignKey("customer.id"), nullable=False, index=True),
    Column("provider", String(32), nullable=False),
    # Null until the provider has answered: the row is there before it is asked.
    Column("reference", String(255)),
    Column("status", String(16), nullable=False),
    Column("method_id", Identifier),
    Column("created_at", UtcTimestamp, nullable=False),
    UniqueConstraint("provider", "reference"),
)

PAYMENT_METHOD = Table(
    "payment_method",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("customer_id", Identifier, ForeignKey("customer.id"), nullable=False, index=True),
    Column("provider", String(32), nullable=False),
    Column("reference", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("brand", String(32), nullable=False),
    Column("last4", String(4), nullable=False),
    Column("expires_month", Integer),
    Column("expires_year", Integer),
    Column("is_default", Boolean, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("removed_at", UtcTimestamp),
    UniqueConstraint("provider", "reference"),
)
Index(
    "uq_payment_method_default",
    PAYMENT_METHOD.c.customer_id,
    PAYMENT_METHOD.c.provider,
    unique=True,
    sqlite_where=PAYMENT_METHOD.c.is_default,
    postgresql_where=PAYMENT_METHOD.c.is_default,
)

PAYMENT = Table(
    "payment",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("mode", String(4), CheckConstraint("mode IN ('live', 'test')", name="mode"), nullable=False),
    Column("seller_entity_id", Identifier, ForeignKey("seller_entity.id"), nullable=False),
    Column("customer_id", Identifier, ForeignKey("customer.id"), nullable=False, index=True),
    # One payment per invoice: whoever comes second finds the first one's.
    Column("invoice_id", Identifier, ForeignKey("invoice.id"), nullable=False, unique=True),
    Column("invoice_number", String(40), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInt, nullable=False),
    Column("credit_applied", BigInt, nullable=False),
    # What its attempts and refunds come to; kept for searching.
    Column("status", String(20), nullable=False, index=True),
    Column("created_at", UtcTimestamp, nullable=False),
    CheckConstraint("amount >= 0 AND credit_applied >= 0", name="amounts"),
)

PAYMENT_ATTEMPT = Table(
    "payment_attempt",
    MAIN,
    Column("payment_id", Identifier, ForeignKey("payment.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("method_id", Identifier, ForeignKey("payment_method.id"), nullable=False),
    Column("key", String(128), nullable=False, unique=True),
    Column("present", Boolean, nullable=False),
    Column("origin", String(255), nullable=False),
    Column("return_url", String(2000), nullable=False),
    Column("reference", String(255)),
    Column("code", String(64)),
    Column("message", String(500)),
    Column("action_url", String(2000)),
    Column("started_at", UtcTimestamp, nullable=False),
    Column("look_at", UtcTimestamp, index=True),
    Column("finished_at", UtcTimestamp),
    Column("tries", Integer, nullable=False),
    UniqueConstraint("provider", "reference"),
)

PAYMENT_REFUND = Table(
    "payment_refund",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("payment_id", Identifier, ForeignKey("payment.id"), nullable=False, index=True),
    Column("amount", BigInt, CheckConstraint("amount > 0", name="amount"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("key", String(300), nullable=False, unique=True),
    Column("reference", String(255)),
    Column("message", String(500)),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("look_at", UtcTimestamp, index=True),
    Column("given_at", UtcTimestamp),
    Column("finished_at", UtcTimestamp),
    Column("tries", Integer, nullable=False),
)

WEBHOOK_INBOX = Table(
    "webhook_inbox",
    MAIN,
    Column("source", String(32), primary_key=True),
    # The sender's id: the same notice comes again under the same one.
    Column("external_id", String(255), primary_key=True),
    Column("type", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reference", String(255)),
    Column("live", Boolean, nullable=False),
    Column("received_at", UtcTimestamp, nullable=False),
    # Null once it is done.
    Column("look_at", UtcTimestamp, index=True),
    Column("done_at", UtcTimestamp),
    Column("tries", Integer, nullable=False),
    Column("problem", String(500)),
)

USAGE_REPORT = Table(
    "usage_report",
    MAIN,
    Column("provider", String(32), primary_key=True),
    Column("customer_id", Identifier, ForeignKey("customer.id"), primary_key=True),
    Column("meter", String(128), primary_key=True),
    Column("window_start", UtcTimestamp, primary_key=True),
    # Late usage is another part of its window.
    Column("number", Integer, primary_key=True),
    Column("quantity", BigInt, nullable=False),
    Column("first_sent_at", UtcTimestamp),
    # Null once it was told, or given up.
    Column("look_at", UtcTimestamp, index=True),
    Column("done_at", UtcTimestamp),
    Column("tries", Integer, nullable=False),
    Column("problem", String(500)),
    CheckConstraint("quantity > 0", name="quantity"),
)
Index("ix_usage_report_window", USAGE_REPORT.c.provider, USAGE_REPORT.c.window_start)

USAGE_REPORTED = Table(
    "usage_reported",
    MAIN,
    Column("provider", String(32), primary_key=True),
    # Every window that ended by then has been looked at.
    Column("planned_until", UtcTimestamp, nullable=False),
)

SUBSCRIPTION_SHOWN = Table(
    "subscription_shown",
    MAIN,
    Column("provider", String(32), primary_key=True),
    Column("subscription_id", Identifier, ForeignKey("subscription.id"), primary_key=True),
    # What the provider was last shown, as a digest.
    Column("picture", String(64), nullable=False),
)
