"""Catalog, customers, subscriptions, invoices, the ledger, and the triggers that guard what is final."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt, DecimalText, Identifier, Json, UtcTimestamp

revision = "0002_commerce"
down_revision = "0001_gateway"
branch_labels = None
depends_on = None

_FINAL = "a finalised invoice never changes"
_OTHER_FINAL = (
    "EXISTS (SELECT 1 FROM invoice AS other WHERE other.status = 'finalised' AND {apart}"
    " AND (other.id = NEW.id"
    " OR (other.subscription_id = NEW.subscription_id AND other.sequence = NEW.sequence)"
    " OR (other.seller_entity_id = NEW.seller_entity_id AND other.number = NEW.number)))"
)
_LINE_OF_FINAL = "(SELECT status FROM invoice WHERE id = {row}.invoice_id) = 'finalised'"
_ACCOUNTS = (
    "SELECT 1 FROM ledger_entry JOIN ledger_account ON ledger_account.id = ledger_entry.account_id"
    " WHERE ledger_entry.transaction_id = NEW.id"
)
_UNBALANCED = f"EXISTS ({_ACCOUNTS} GROUP BY ledger_account.currency HAVING sum(ledger_entry.amount) <> 0)"
_ANOTHER_BOOK = (
    f"EXISTS ({_ACCOUNTS} AND (ledger_account.seller_entity_id <> NEW.seller_entity_id"
    " OR ledger_account.mode <> NEW.mode))"
)
_SEALED = "EXISTS (SELECT 1 FROM ledger_transaction WHERE id = NEW.transaction_id)"
_LINES = "(SELECT coalesce(sum(total), 0) FROM invoice_line WHERE invoice_id = NEW.id)"
_PRESENT = "EXISTS (SELECT 1 FROM {table} AS other WHERE other.id = NEW.id{or_same})"
_IMMUTABLE = ("ledger_account", "ledger_entry", "ledger_transaction", "plan_version", "addon_version")
# What a replacing INSERT would delete, by table; entries are guarded by their transaction. An account may be
# opened by two at once, and the second does nothing: it is only found by its id.
_IN_THE_WAY = {
    "ledger_account": "",
    "ledger_transaction": " OR (other.seller_entity_id = NEW.seller_entity_id AND other.mode = NEW.mode"
    " AND other.business_key = NEW.business_key)",
    "plan_version": " OR (other.plan_id = NEW.plan_id"
    " AND (other.version = NEW.version OR other.content_hash = NEW.content_hash))",
    "addon_version": " OR (other.addon_id = NEW.addon_id"
    " AND (other.version = NEW.version OR other.content_hash = NEW.content_hash))",
}

# (name, event, table, condition, message): the statement is refused where the condition holds. `OLD` and
# `NEW` mean the same on SQLite and PostgreSQL.
_RULES = [
    ("invoice_insert", "INSERT", "invoice", "NEW.status <> 'draft'", "an invoice starts as a draft"),
    ("invoice_update", "UPDATE", "invoice", "OLD.status = 'finalised'", _FINAL),
    # SQLite's INSERT OR REPLACE and UPDATE OR REPLACE delete what is in their way without asking a trigger.
    ("invoice_replace", "INSERT", "invoice", _OTHER_FINAL.format(apart="1 = 1"), _FINAL),
    ("invoice_oust", "UPDATE", "invoice", _OTHER_FINAL.format(apart="other.id <> OLD.id"), _FINAL),
    ("invoice_delete", "DELETE", "invoice", "OLD.status = 'finalised'", _FINAL),
    (
        "invoice_adds_up",
        "UPDATE",
        "invoice",
        f"NEW.status = 'finalised' AND NEW.total <> {_LINES}",
        "an invoice's total is the sum of its lines",
    ),
    ("invoice_line_insert", "INSERT", "invoice_line", _LINE_OF_FINAL.format(row="NEW"), _FINAL),
    ("invoice_line_update", "UPDATE", "invoice_line", _LINE_OF_FINAL.format(row="OLD"), _FINAL),
    ("invoice_line_move", "UPDATE", "invoice_line", _LINE_OF_FINAL.format(row="NEW"), _FINAL),
    ("invoice_line_delete", "DELETE", "invoice_line", _LINE_OF_FINAL.format(row="OLD"), _FINAL),
    ("ledger_sealed", "INSERT", "ledger_entry", _SEALED, "a ledger transaction takes no further entries"),
    ("ledger_balanced", "INSERT", "ledger_transaction", _UNBALANCED, "entries sum to zero in each currency"),
    ("ledger_one_book", "INSERT", "ledger_transaction", _ANOTHER_BOOK, "a transaction stays within one book"),
    *(
        (f"{table}_{event.lower()}", event, table, "1 = 1", f"{table} rows never change")
        for table in _IMMUTABLE
        for event in ("UPDATE", "DELETE")
    ),
    *(
        (
            f"{table}_replace",
            "INSERT",
            table,
            _PRESENT.format(table=table, or_same=same),
            f"{table} rows never change",
        )
        for table, same in _IN_THE_WAY.items()
    ),
]


def upgrade() -> None:
    """Make the tables, then the triggers."""
    op.create_table(
        "addon",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_addon"),
        sa.UniqueConstraint("name", name="uq_addon_name"),
    )
    op.create_table(
        "customer",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("legal_name", sa.String(length=200), nullable=True),
        sa.Column("address", Json, nullable=False),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("tax_ids", Json, nullable=False),
        sa.Column("billing_currency", sa.String(length=3), nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer"),
        sa.UniqueConstraint("mode", "name", name="uq_customer_mode_name"),
    )
    op.create_table(
        "meter",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("effective_from", UtcTimestamp, nullable=False),
        sa.Column("effective_until", UtcTimestamp, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_meter"),
    )
    op.create_index(
        "uq_meter_name_in_force",
        "meter",
        ["name"],
        unique=True,
        sqlite_where=sa.text("effective_until IS NULL"),
        postgresql_where=sa.text("effective_until IS NULL"),
    )
    op.create_table(
        "meter_route",
        sa.Column("meter_id", Identifier, nullable=False),
        sa.Column("route_id", Identifier, nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"], name="fk_meter_route_meter_id"),
        sa.PrimaryKeyConstraint("meter_id", "route_id", name="pk_meter_route"),
    )
    op.create_table(
        "plan",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plan"),
        sa.UniqueConstraint("name", name="uq_plan_name"),
    )
    op.create_table(
        "seller_entity",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("address", Json, nullable=False),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("tax_ids", Json, nullable=False),
        sa.Column("home_currency", sa.String(length=3), nullable=True),
        sa.Column("invoice_prefix", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_seller_entity"),
        sa.UniqueConstraint("slug", name="uq_seller_entity_slug"),
    )
    op.create_table(
        "addon_version",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("addon_id", Identifier, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["addon_id"], ["addon.id"], name="fk_addon_version_addon_id"),
        sa.PrimaryKeyConstraint("id", name="pk_addon_version"),
        sa.UniqueConstraint("addon_id", "content_hash", name="uq_addon_version_addon_id_content_hash"),
        sa.UniqueConstraint("addon_id", "version", name="uq_addon_version_addon_id_version"),
    )
    op.create_table(
        "ledger_account",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("seller_entity_id", Identifier, nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("owner_id", Identifier, nullable=True),
        sa.ForeignKeyConstraint(
            ["seller_entity_id"], ["seller_entity.id"], name="fk_ledger_account_seller_entity_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_account"),
    )
    op.create_index(
        "uq_ledger_account_own",
        "ledger_account",
        ["seller_entity_id", "mode", "name", "currency"],
        unique=True,
        sqlite_where=sa.text("owner_id IS NULL"),
        postgresql_where=sa.text("owner_id IS NULL"),
    )
    op.create_index(
        "uq_ledger_account_owned",
        "ledger_account",
        ["seller_entity_id", "mode", "name", "currency", "owner_id"],
        unique=True,
        sqlite_where=sa.text("owner_id IS NOT NULL"),
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_transaction",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("seller_entity_id", Identifier, nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("business_key", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("effective_at", UtcTimestamp, nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(
            ["seller_entity_id"], ["seller_entity.id"], name="fk_ledger_transaction_seller_entity_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transaction"),
        sa.UniqueConstraint(
            "seller_entity_id",
            "mode",
            "business_key",
            name="uq_ledger_transaction_seller_entity_id_mode_business_key",
        ),
    )
    op.create_table(
        "number_series",
        sa.Column("seller_entity_id", Identifier, nullable=False),
        sa.Column("series", sa.String(length=16), nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("last_number", BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["seller_entity_id"], ["seller_entity.id"], name="fk_number_series_seller_entity_id"
        ),
        sa.PrimaryKeyConstraint("seller_entity_id", "series", "mode", name="pk_number_series"),
    )
    op.create_table(
        "plan_version",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("plan_id", Identifier, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name="fk_plan_version_plan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plan_version"),
        sa.UniqueConstraint("plan_id", "content_hash", name="uq_plan_version_plan_id_content_hash"),
        sa.UniqueConstraint("plan_id", "version", name="uq_plan_version_plan_id_version"),
    )
    op.create_table(
        "subscription",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("seller_entity_id", Identifier, nullable=False),
        sa.Column("customer_id", Identifier, nullable=False),
        sa.Column("consumer_id", Identifier, nullable=False),
        sa.Column("consumer_name", sa.String(length=256), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("starts_at", UtcTimestamp, nullable=False),
        sa.Column("ends_at", UtcTimestamp, nullable=True),
        sa.Column("cancelled_at", UtcTimestamp, nullable=True),
        sa.Column("next_bill_at", UtcTimestamp, nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.CheckConstraint("ends_at IS NULL OR ends_at >= starts_at", name=op.f("ck_subscription_order")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_subscription_customer_id"),
        sa.ForeignKeyConstraint(
            ["seller_entity_id"], ["seller_entity.id"], name="fk_subscription_seller_entity_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
    )
    op.create_index("ix_subscription_consumer_id", "subscription", ["consumer_id"], unique=False)
    op.create_index("ix_subscription_customer_id", "subscription", ["customer_id"], unique=False)
    op.create_index("ix_subscription_next_bill_at", "subscription", ["next_bill_at"], unique=False)
    op.create_index(
        "uq_subscription_consumer_open",
        "subscription",
        ["consumer_id"],
        unique=True,
        sqlite_where=sa.text("ends_at IS NULL"),
        postgresql_where=sa.text("ends_at IS NULL"),
    )
    op.create_table(
        "invoice",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("seller_entity_id", Identifier, nullable=False),
        sa.Column("customer_id", Identifier, nullable=False),
        sa.Column("subscription_id", Identifier, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=9), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("period_start", UtcTimestamp, nullable=False),
        sa.Column("period_end", UtcTimestamp, nullable=False),
        sa.Column("total", BigInt, nullable=False),
        sa.Column("supplier", Json, nullable=True),
        sa.Column("recipient", Json, nullable=True),
        sa.Column("usage_watermark", UtcTimestamp, nullable=True),
        sa.Column("usage_cursor", Json, nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("finalised_at", UtcTimestamp, nullable=True),
        sa.CheckConstraint(
            "status = 'draft' OR (number IS NOT NULL AND supplier IS NOT NULL AND recipient IS NOT NULL"
            " AND finalised_at IS NOT NULL)",
            name=op.f("ck_invoice_finalised_is_complete"),
        ),
        sa.CheckConstraint("status IN ('draft', 'finalised')", name=op.f("ck_invoice_status")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_invoice_customer_id"),
        sa.ForeignKeyConstraint(
            ["seller_entity_id"], ["seller_entity.id"], name="fk_invoice_seller_entity_id"
        ),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name="fk_invoice_subscription_id"),
        sa.PrimaryKeyConstraint("id", name="pk_invoice"),
        sa.UniqueConstraint("seller_entity_id", "number", name="uq_invoice_seller_entity_id_number"),
        sa.UniqueConstraint("subscription_id", "sequence", name="uq_invoice_subscription_id_sequence"),
    )
    op.create_index("ix_invoice_customer_id", "invoice", ["customer_id"], unique=False)
    op.create_index("ix_invoice_period_end", "invoice", ["mode", "period_end"], unique=False)
    op.create_table(
        "ledger_entry",
        sa.Column("transaction_id", Identifier, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", Identifier, nullable=False),
        sa.Column("amount", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_account.id"], name="fk_ledger_entry_account_id"),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transaction.id"],
            name="fk_ledger_entry_transaction_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("transaction_id", "position", name="pk_ledger_entry"),
    )
    op.create_index("ix_ledger_entry_account_id", "ledger_entry", ["account_id"], unique=False)
    op.create_table(
        "subscription_phase",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("subscription_id", Identifier, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("plan_version_id", Identifier, nullable=False),
        sa.Column("anchor", UtcTimestamp, nullable=False),
        sa.Column("starts_at", UtcTimestamp, nullable=False),
        sa.Column("ends_at", UtcTimestamp, nullable=True),
        sa.CheckConstraint(
            "ends_at IS NULL OR ends_at >= starts_at", name=op.f("ck_subscription_phase_order")
        ),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_subscription_phase_plan_version_id"
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name="fk_subscription_phase_subscription_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription_phase"),
        sa.UniqueConstraint(
            "subscription_id", "position", name="uq_subscription_phase_subscription_id_position"
        ),
    )
    op.create_index("ix_subscription_phase_ends_at", "subscription_phase", ["ends_at"], unique=False)
    op.create_index(
        "ix_subscription_phase_plan_version_id", "subscription_phase", ["plan_version_id"], unique=False
    )
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", Identifier, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("description", sa.String(length=400), nullable=False),
        sa.Column("quantity", DecimalText, nullable=False),
        sa.Column("unit_amount", DecimalText, nullable=True),
        sa.Column("amount", DecimalText, nullable=False),
        sa.Column("total", BigInt, nullable=False),
        sa.Column("plan_version_id", Identifier, nullable=False),
        sa.Column("price_index", sa.Integer(), nullable=False),
        sa.Column("phase_id", Identifier, nullable=False),
        sa.Column("meter", sa.String(length=128), nullable=True),
        sa.Column("service_start", UtcTimestamp, nullable=False),
        sa.Column("service_end", UtcTimestamp, nullable=False),
        sa.Column("usage_start", UtcTimestamp, nullable=True),
        sa.Column("usage_end", UtcTimestamp, nullable=True),
        sa.Column("usage_after", Json, nullable=True),
        sa.Column("explanation", Json, nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_line_invoice_id"),
        sa.ForeignKeyConstraint(["phase_id"], ["subscription_phase.id"], name="fk_invoice_line_phase_id"),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_invoice_line_plan_version_id"
        ),
        sa.PrimaryKeyConstraint("invoice_id", "position", name="pk_invoice_line"),
    )
    op.create_index("ix_invoice_line_phase_id", "invoice_line", ["phase_id"], unique=False)
    for rule in _RULES:
        _refuse(*rule)


def _refuse(name: str, event: str, table: str, condition: str, message: str) -> None:
    quoted = message.replace("'", "''")
    if op.get_context().dialect.name == "postgresql":
        row = "OLD" if event == "DELETE" else "NEW"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {condition} THEN RAISE EXCEPTION '{quoted}' USING ERRCODE = 'check_violation'; END IF;"
            f" RETURN {row}; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
    else:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW WHEN {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{quoted}'); END"
        )


def downgrade() -> None:
    """Drop the tables, children first; their triggers go with them."""
    op.drop_table("invoice_line")
    op.drop_table("subscription_phase")
    op.drop_table("ledger_entry")
    op.drop_table("invoice")
    op.drop_table("subscription")
    op.drop_table("plan_version")
    op.drop_table("number_series")
    op.drop_table("ledger_transaction")
    op.drop_table("ledger_account")
    op.drop_table("addon_version")
    op.drop_table("seller_entity")
    op.drop_table("plan")
    op.drop_table("meter_route")
    op.drop_table("meter")
    op.drop_table("customer")
    op.drop_table("addon")
    if op.get_context().dialect.name == "postgresql":
        for name, *_ in _RULES:
            op.execute(f"DROP FUNCTION {name}()")
