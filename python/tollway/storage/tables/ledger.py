"""Tables of the ledger. Triggers (migration 0002) keep the journal append-only and balanced.

A transaction's entries are written first and its row last: the row's trigger checks that they sum to zero,
and from then on further entries are refused. The foreign key is deferred to the commit to allow this order.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from tollway.storage.database import MAIN
from tollway.storage.types import BigInt, Identifier, UtcTimestamp

__all__ = ["LEDGER_ACCOUNT", "LEDGER_ENTRY", "LEDGER_TRANSACTION"]

LEDGER_ACCOUNT = Table(
    "ledger_account",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("seller_entity_id", Identifier, ForeignKey("seller_entity.id"), nullable=False),
    Column("mode", String(4), CheckConstraint("mode IN ('live', 'test')", name="mode"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("owner_id", Identifier),
)
Index(
    "uq_ledger_account_owned",
    LEDGER_ACCOUNT.c.seller_entity_id,
    LEDGER_ACCOUNT.c.mode,
    LEDGER_ACCOUNT.c.name,
    LEDGER_ACCOUNT.c.currency,
    LEDGER_ACCOUNT.c.owner_id,
    unique=True,
    sqlite_where=text("owner_id IS NOT NULL"),
    postgresql_where=text("owner_id IS NOT NULL"),
)
Index(
    "uq_ledger_account_own",
    LEDGER_ACCOUNT.c.seller_entity_id,
    LEDGER_ACCOUNT.c.mode,
    LEDGER_ACCOUNT.c.name,
    LEDGER_ACCOUNT.c.currency,
    unique=True,
    sqlite_where=text("owner_id IS NULL"),
    postgresql_where=text("owner_id IS NULL"),
)

LEDGER_TRANSACTION = Table(
    "ledger_transaction",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("seller_entity_id", Identifier, ForeignKey("seller_entity.id"), nullable=False),
    Column("mode", String(4), CheckConstraint("mode IN ('live', 'test')", name="mode"), nullable=False),
    Column("business_key", String(200), nullable=False),
    Column("description", String(200), nullable=False),
    Column("effective_at", UtcTimestamp, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    UniqueConstraint("seller_entity_id", "mode", "business_key"),
)

LEDGER_ENTRY = Table(
    "ledger_entry",
    MAIN,
    Column(
        "transaction_id",
        Identifier,
        ForeignKey("ledger_transaction.id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    Column("position", Integer, primary_key=True),
    Column("account_id", Identifier, ForeignKey("ledger_account.id"), nullable=False, index=True),
    # Minor units: debits positive, credits negative.
    Column("amount", BigInt, nullable=False),
)
