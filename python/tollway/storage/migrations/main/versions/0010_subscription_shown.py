"""What payment providers were shown of subscriptions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import Identifier

revision = "0010_subscription_shown"
down_revision = "0009_usage_reports"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "subscription_shown",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("subscription_id", Identifier, nullable=False),
        sa.Column("picture", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name="fk_subscription_shown_subscription_id"
        ),
        sa.PrimaryKeyConstraint("provider", "subscription_id", name="pk_subscription_shown"),
    )


def downgrade() -> None:
    """Drop the tables, children first."""
    op.drop_table("subscription_shown")
