"""Usage from elsewhere: events, what is parked, and what of a queue may come again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt, UtcTimestamp

revision = "0003_external"
down_revision = "0002_activity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "external_event",
        sa.Column("position", BigInt, autoincrement=False, nullable=False),
        sa.Column("reporter", sa.LargeBinary(length=16), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=True),
        sa.Column("received_at", UtcTimestamp, nullable=False),
        sa.Column("time", BigInt, nullable=False),
        sa.Column("customer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("consumer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("phase", sa.LargeBinary(length=16), nullable=False),
        sa.Column("test_mode", sa.Boolean(), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("units", BigInt, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_external_event"),
        sa.UniqueConstraint(
            "reporter", "source", "event_id", name="uq_external_event_reporter_source_event_id"
        ),
    )
    op.create_index("ix_external_event_customer", "external_event", ["customer", "time"])
    op.create_index("ix_external_event_consumer", "external_event", ["consumer", "time"])
    op.create_table(
        "external_parked",
        sa.Column("position", BigInt, autoincrement=False, nullable=False),
        sa.Column("queue", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=True),
        sa.Column("received_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_external_parked"),
    )
    op.create_index("ix_external_parked_subject", "external_parked", ["subject"])
    positions = op.create_table(
        "external_position",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("position", BigInt, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_external_position"),
    )
    op.bulk_insert(positions, [{"name": "event", "position": 0}, {"name": "parked", "position": 0}])
    op.create_table(
        "external_queue",
        sa.Column("queue", sa.String(length=255), nullable=False),
        sa.Column("in_flight", sa.LargeBinary(), nullable=False),
        sa.Column("pending", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("queue", name="pk_external_queue"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("external_queue", "external_position", "external_parked", "external_event"):
        op.drop_table(table)
