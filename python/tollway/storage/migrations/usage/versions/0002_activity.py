"""Usage per hour, consumer, key, route and status, for pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt

revision = "0002_activity"
down_revision = "0001_usage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table. It begins empty: what was metered before is in usage records alone."""
    op.create_table(
        "usage_activity",
        sa.Column("hour", BigInt, autoincrement=False, nullable=False),
        sa.Column("customer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("consumer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("credential", sa.LargeBinary(length=16), nullable=False),
        sa.Column("route", sa.LargeBinary(length=16), nullable=False),
        sa.Column("status", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("test_mode", sa.Boolean(), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("requests", BigInt, nullable=False),
        sa.Column("units", BigInt, nullable=False),
        sa.Column("bytes_out", BigInt, nullable=False),
        sa.Column("last", BigInt, nullable=False),
        sa.PrimaryKeyConstraint(
            "hour",
            "customer",
            "consumer",
            "credential",
            "route",
            "status",
            "test_mode",
            "endpoint",
            name="pk_usage_activity",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_activity_customer", "usage_activity", ["customer", "hour"])
    op.create_index("ix_usage_activity_consumer", "usage_activity", ["consumer", "hour"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("usage_activity")
