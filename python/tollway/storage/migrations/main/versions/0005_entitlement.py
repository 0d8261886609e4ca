"""What consumers may use, what there is to buy, and when keys end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import Json, UtcTimestamp

revision = "0005_entitlement"
down_revision = "0004_support"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; nobody is entitled to anything, and no key ends."""
    op.add_column("consumer", sa.Column("entitlement", Json, nullable=True))
    op.add_column("key_auth_credential", sa.Column("expires_at", UtcTimestamp(), nullable=True))
    op.create_index("ix_key_auth_credential_expires_at", "key_auth_credential", ["expires_at"])
    op.create_table(
        "gateway_shop",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offers", Json, nullable=False),
        sa.Column("portal_url", sa.String(2048), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_gateway_shop"),
        sa.CheckConstraint("id = 1", name=op.f("ck_gateway_shop_one_row")),
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("gateway_shop")
    op.drop_index("ix_key_auth_credential_expires_at", "key_auth_credential")
    op.drop_column("key_auth_credential", "expires_at")
    op.drop_column("consumer", "entitlement")
