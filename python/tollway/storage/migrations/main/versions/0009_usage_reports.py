"""Usage told to payment providers, hour by hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt, Identifier, UtcTimestamp

revision = "0009_usage_reports"
down_revision = "0008_addons"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "usage_reported",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("planned_until", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_usage_reported"),
    )
    op.create_table(
        "usage_report",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("customer_id", Identifier, nullable=False),
        sa.Column("meter", sa.String(length=128), nullable=False),
        sa.Column("window_start", UtcTimestamp, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("quantity", BigInt, nullable=False),
        sa.Column("first_sent_at", UtcTimestamp, nullable=True),
        sa.Column("look_at", UtcTimestamp, nullable=True),
        sa.Column("done_at", UtcTimestamp, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_usage_report_quantity")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_usage_report_customer_id"),
        sa.PrimaryKeyConstraint(
            "provider", "customer_id", "meter", "window_start", "number", name="pk_usage_report"
        ),
    )
    op.create_index("ix_usage_report_look_at", "usage_report", ["look_at"], unique=False)
    op.create_index("ix_usage_report_window", "usage_report", ["provider", "window_start"], unique=False)


def downgrade() -> None:
    """Drop the tables, children first."""
    op.drop_table("usage_report")
    op.drop_table("usage_reported")
