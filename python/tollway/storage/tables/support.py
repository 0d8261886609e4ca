"""Tables of support. An organisation is another domain's: its id is kept without a foreign key."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text

from tollway.storage.database import MAIN
from tollway.storage.types import Identifier, UtcTimestamp

__all__ = ["TICKET", "TICKET_MESSAGE"]

TICKET = Table(
    "ticket",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("organisation_id", Identifier, nullable=False),
    Column("subject", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("opened_at", UtcTimestamp, nullable=False),
    Column("changed_at", UtcTimestamp, nullable=False),
    CheckConstraint("status IN ('open', 'answered', 'closed')", name="status"),
)
Index("ix_ticket_organisation_id_changed_at", TICKET.c.organisation_id, TICKET.c.changed_at)
Index("ix_ticket_status_changed_at", TICKET.c.status, TICKET.c.changed_at)

TICKET_MESSAGE = Table(
    "ticket_message",
    MAIN,
    Column("ticket_id", Identifier, ForeignKey("ticket.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("side", String(16), nullable=False),
    Column("author_id", Identifier, nullable=False),
    Column("author_name", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("written_at", UtcTimestamp, nullable=False),
    CheckConstraint("side IN ('customer', 'operator')", name="side"),
)
