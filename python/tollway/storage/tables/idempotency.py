"""Idempotency keys, and the answers that were given to them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, String, Table

from tollway.storage.database import MAIN
from tollway.storage.types import Bytes, Identifier, UtcTimestamp

__all__ = ["IDEMPOTENCY_KEY"]

IDEMPOTENCY_KEY = Table(
    "idempotency_key",
    MAIN,
    Column("scope", String(200), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    # Whose turn it is: one that was given up for dead finds another's here and commits nothing.
    Column("claim", Identifier, nullable=False),
    Column("claimed_at", UtcTimestamp, nullable=False, index=True),
    # Set in the transaction that does the work.
    Column("done", Boolean, nullable=False),
    Column("status", Integer),
    Column("body", Bytes),
)
