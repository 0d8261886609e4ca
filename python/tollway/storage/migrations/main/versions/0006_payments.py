"""Accounts at payment providers, saved methods, payments with attempts and refunds, the webhook inbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt, Identifier, UtcTimestamp

revision = "0006_payments"
down_revision = "0005_entitlement"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "webhook_inbox",
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=True),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("received_at", UtcTimestamp, nullable=False),
        sa.Column("look_at", UtcTimestamp, nullable=True),
        sa.Column("done_at", UtcTimestamp, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("source", "external_id", name="pk_webhook_inbox"),
    )
    op.create_index("ix_webhook_inbox_look_at", "webhook_inbox", ["look_at"], unique=False)
    op.create_table(
        "payment_account",
        sa.Column("customer_id", Identifier, nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_payment_account_customer_id"),
        sa.PrimaryKeyConstraint("customer_id", "provider", name="pk_payment_account"),
    )
    op.create_table(
        "payment_method",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("customer_id", Identifier, nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("brand", sa.String(length=32), nullable=False),
        sa.Column("last4", sa.String(length=4), nullable=False),
        sa.Column("expires_month", sa.Integer(), nullable=True),
        sa.Column("expires_year", sa.Integer(), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("removed_at", UtcTimestamp, nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_payment_method_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_method"),
        sa.UniqueConstraint("provider", "reference", name="uq_payment_method_provider_reference"),
    )
    op.create_index("ix_payment_method_customer_id", "payment_method", ["customer_id"], unique=False)
    op.create_index(
        "uq_payment_method_default",
        "payment_method",
        ["customer_id", "provider"],
        unique=True,
        sqlite_where=sa.text("is_default"),
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "payment_setup",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("customer_id", Identifier, nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("method_id", Identifier, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_payment_setup_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_setup"),
        sa.UniqueConstraint("provider", "reference", name="uq_payment_setup_provider_reference"),
    )
    op.create_index("ix_payment_setup_customer_id", "payment_setup", ["customer_id"], unique=False)
    op.create_table(
        "payment",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("seller_entity_id", Identifier, nullable=False),
        sa.Column("customer_id", Identifier, nullable=False),
        sa.Column("invoice_id", Identifier, nullable=False),
        sa.Column("invoice_number", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", BigInt, nullable=False),
        sa.Column("credit_applied", BigInt, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.CheckConstraint("amount >= 0 AND credit_applied >= 0", name=op.f("ck_payment_amounts")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_payment_customer_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_payment_invoice_id"),
        sa.ForeignKeyConstraint(
            ["seller_entity_id"], ["seller_entity.id"], name="fk_payment_seller_entity_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
        sa.UniqueConstraint("invoice_id", name="uq_payment_invoice_id"),
    )
    op.create_index("ix_payment_customer_id", "payment", ["customer_id"], unique=False)
    op.create_index("ix_payment_status", "payment", ["status"], unique=False)
    op.create_table(
        "payment_attempt",
        sa.Column("payment_id", Identifier, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("method_id", Identifier, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("return_url", sa.String(length=2000), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.Column("action_url", sa.String(length=2000), nullable=True),
        sa.Column("started_at", UtcTimestamp, nullable=False),
        sa.Column("look_at", UtcTimestamp, nullable=True),
        sa.Column("finished_at", UtcTimestamp, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["method_id"], ["payment_method.id"], name="fk_payment_attempt_method_id"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_payment_attempt_payment_id"),
        sa.PrimaryKeyConstraint("payment_id", "number", name="pk_payment_attempt"),
        sa.UniqueConstraint("key", name="uq_payment_attempt_key"),
        sa.UniqueConstraint("provider", "reference", name="uq_payment_attempt_provider_reference"),
    )
    op.create_index("ix_payment_attempt_look_at", "payment_attempt", ["look_at"], unique=False)
    op.create_table(
        "payment_refund",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("payment_id", Identifier, nullable=False),
        sa.Column("amount", BigInt, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("look_at", UtcTimestamp, nullable=True),
        sa.Column("given_at", UtcTimestamp, nullable=True),
        sa.Column("finished_at", UtcTimestamp, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_payment_refund_payment_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_refund"),
        sa.UniqueConstraint("key", name="uq_payment_refund_key"),
    )
    op.create_index("ix_payment_refund_look_at", "payment_refund", ["look_at"], unique=False)
    op.create_index("ix_payment_refund_payment_id", "payment_refund", ["payment_id"], unique=False)


def downgrade() -> None:
    """Drop the tables, children first."""
    op.drop_table("payment_refund")
    op.drop_table("payment_attempt")
    op.drop_table("payment")
    op.drop_table("payment_setup")
    op.drop_table("payment_method")
    op.drop_table("payment_account")
    op.drop_table("webhook_inbox")
