"""Usage records, cursors, nodes and faults of the usage log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt, UtcTimestamp

revision = "0001_usage"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "usage_record",
        sa.Column("bucket", BigInt, autoincrement=False, nullable=False),
        sa.Column("customer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("consumer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("phase", sa.LargeBinary(length=16), nullable=False),
        sa.Column("meter", sa.LargeBinary(length=16), nullable=False),
        sa.Column("test_mode", sa.Boolean(), nullable=False),
        sa.Column("dimensions", sa.String(length=1024), nullable=False),
        sa.Column("quantity", BigInt, nullable=False),
        sa.Column("events", BigInt, nullable=False),
        sa.CheckConstraint("typeof(quantity) = 'integer'", name=op.f("ck_usage_record_whole")).ddl_if(
            dialect="sqlite"
        ),
        sa.PrimaryKeyConstraint(
            "bucket",
            "customer",
            "consumer",
            "phase",
            "meter",
            "test_mode",
            "dimensions",
            name="pk_usage_record",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_record_customer", "usage_record", ["customer", "bucket"])
    op.create_index("ix_usage_record_consumer", "usage_record", ["consumer", "bucket"])
    op.create_table(
        "usage_cursor",
        sa.Column("node", sa.String(length=32), nullable=False),
        sa.Column("epoch", BigInt, autoincrement=False, nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", BigInt, nullable=False),
        sa.PrimaryKeyConstraint("node", "epoch", "shard", name="pk_usage_cursor"),
    )
    op.create_table(
        "usage_node",
        sa.Column("node", sa.String(length=32), nullable=False),
        sa.Column("watermark", UtcTimestamp, nullable=True),
        sa.Column("registered_at", UtcTimestamp, nullable=False),
        sa.Column("retired_at", UtcTimestamp, nullable=True),
        sa.PrimaryKeyConstraint("node", name="pk_usage_node"),
    )
    op.create_table(
        "usage_node_act",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("node", sa.String(length=32), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=1024), nullable=False),
        sa.Column("at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_node_act"),
    )
    op.create_table(
        "usage_log_fault",
        sa.Column("node", sa.String(length=32), nullable=False),
        sa.Column("epoch", BigInt, autoincrement=False, nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("start", BigInt, autoincrement=False, nullable=False),
        sa.Column("end", BigInt, nullable=False),
        sa.Column("noticed_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("node", "epoch", "shard", "kind", "start", name="pk_usage_log_fault"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("usage_log_fault", "usage_node_act", "usage_node", "usage_cursor", "usage_record"):
        op.drop_table(table)
