"""Tickets and their messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import Identifier, UtcTimestamp

revision = "0004_support"
down_revision = "0003_idempotency"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ticket",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("organisation_id", Identifier, nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("opened_at", UtcTimestamp, nullable=False),
        sa.Column("changed_at", UtcTimestamp, nullable=False),
        sa.CheckConstraint("status IN ('open', 'answered', 'closed')", name=op.f("ck_ticket_status")),
        sa.PrimaryKeyConstraint("id", name="pk_ticket"),
    )
    op.create_index("ix_ticket_organisation_id_changed_at", "ticket", ["organisation_id", "changed_at"])
    op.create_index("ix_ticket_status_changed_at", "ticket", ["status", "changed_at"])
    op.create_table(
        "ticket_message",
        sa.Column("ticket_id", Identifier, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("author_id", Identifier, nullable=False),
        sa.Column("author_name", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", UtcTimestamp, nullable=False),
        sa.CheckConstraint("side IN ('customer', 'operator')", name=op.f("ck_ticket_message_side")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name="fk_ticket_message_ticket_id"),
        sa.PrimaryKeyConstraint("ticket_id", "position", name="pk_ticket_message"),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("ticket_message")
    op.drop_table("ticket")
