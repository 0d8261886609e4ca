"""Add-ons on subscriptions; when to tell the gateway next; lines name their price by phase and item."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt, DecimalText, Identifier, Json, UtcTimestamp

revision = "0008_addons"
down_revision = "0007_accounts"
branch_labels = None
depends_on = None

_LINE_COLUMNS = (
    "invoice_id, position, kind, description, quantity, unit_amount, amount, total, price_index, phase_id,"
    " meter, service_start, service_end, usage_start, usage_end, usage_after, explanation"
)


def upgrade() -> None:
    """Make the table of items, and take from lines the plan version, which follows from their phase."""
    op.create_table(
        "subscription_item",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("subscription_id", Identifier, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("addon_version_id", Identifier, nullable=False),
        sa.Column("starts_at", UtcTimestamp, nullable=False),
        sa.Column("ends_at", UtcTimestamp, nullable=True),
        sa.CheckConstraint(
            "ends_at IS NULL OR ends_at >= starts_at", name=op.f("ck_subscription_item_order")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name="fk_subscription_item_subscription_id"
        ),
        sa.ForeignKeyConstraint(
            ["addon_version_id"], ["addon_version.id"], name="fk_subscription_item_addon_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription_item"),
        sa.UniqueConstraint(
            "subscription_id", "position", name="uq_subscription_item_subscription_id_position"
        ),
    )
    op.add_column("subscription", sa.Column("next_follow_at", UtcTimestamp, nullable=True))
    # Each is looked at once: the gateway knows nothing of what they may use.
    op.execute("UPDATE subscription SET next_follow_at = starts_at")
    op.create_index("ix_subscription_next_follow_at", "subscription", ["next_follow_at"])
    if op.get_context().dialect.name == "postgresql":
        op.drop_column("invoice_line", "plan_version_id")
        op.add_column(
            "invoice_line",
            sa.Column(
                "item_id",
                Identifier,
                sa.ForeignKey("subscription_item.id", name="fk_invoice_line_item_id"),
                nullable=True,
            ),
        )
    else:
        _remake_lines()


def _remake_lines() -> None:
    """SQLite drops no column that has a foreign key: the table is made anew, its triggers kept."""
    bind = op.get_bind()
    triggers = bind.scalars(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'invoice_line'")
    ).all()
    # Renaming would otherwise fail at the triggers of other tables that read this one.
    op.execute("PRAGMA legacy_alter_table=ON")
    op.drop_index("ix_invoice_line_phase_id", "invoice_line")
    op.create_table(
        "invoice_line_new",
        sa.Column("invoice_id", Identifier, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("description", sa.String(length=400), nullable=False),
        sa.Column("quantity", DecimalText, nullable=False),
        sa.Column("unit_amount", DecimalText, nullable=True),
        sa.Column("amount", DecimalText, nullable=False),
        sa.Column("total", BigInt, nullable=False),
        sa.Column("price_index", sa.Integer(), nullable=False),
        sa.Column("phase_id", Identifier, nullable=False),
        sa.Column("item_id", Identifier, nullable=True),
        sa.Column("meter", sa.String(length=128), nullable=True),
        sa.Column("service_start", UtcTimestamp, nullable=False),
        sa.Column("service_end", UtcTimestamp, nullable=False),
        sa.Column("usage_start", UtcTimestamp, nullable=True),
        sa.Column("usage_end", UtcTimestamp, nullable=True),
        sa.Column("usage_after", Json, nullable=True),
        sa.Column("explanation", Json, nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_line_invoice_id"),
        sa.ForeignKeyConstraint(["phase_id"], ["subscription_phase.id"], name="fk_invoice_line_phase_id"),
        sa.ForeignKeyConstraint(["item_id"], ["subscription_item.id"], name="fk_invoice_line_item_id"),
        sa.PrimaryKeyConstraint("invoice_id", "position", name="pk_invoice_line"),
    )
    op.execute(
        f"INSERT INTO invoice_line_new ({_LINE_COLUMNS}) SELECT {_LINE_COLUMNS} FROM invoice_line"  # noqa: S608
    )
    op.drop_table("invoice_line")
    op.rename_table("invoice_line_new", "invoice_line")
    op.create_index("ix_invoice_line_phase_id", "invoice_line", ["phase_id"])
    op.execute("PRAGMA legacy_alter_table=OFF")
    for trigger in triggers:
        op.execute(str(trigger))


def downgrade() -> None:
    """There is no way back: a line of an add-on has no plan version."""
    raise NotImplementedError("restore a backup from before this revision")
