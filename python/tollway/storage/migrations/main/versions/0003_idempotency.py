"""Idempotency keys with their answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import Bytes, Identifier, UtcTimestamp

revision = "0003_idempotency"
down_revision = "0002_commerce"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "idempotency_key",
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("claim", Identifier, nullable=False),
        sa.Column("claimed_at", UtcTimestamp, nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", Bytes, nullable=True),
        sa.PrimaryKeyConstraint("scope", "idempotency_key", name="pk_idempotency_key"),
    )
    op.create_index("ix_idempotency_key_claimed_at", "idempotency_key", ["claimed_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("idempotency_key")
