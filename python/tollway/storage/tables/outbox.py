"""Mails that are to be sent: written in the transaction of what they tell, sent by the worker."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from tollway.storage.database import MAIN
from tollway.storage.types import Identifier, UtcTimestamp

__all__ = ["OUTBOX_MAIL"]

OUTBOX_MAIL = Table(
    "outbox_mail",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("recipient", String(254), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    # When it is to be tried; null once it is sent or given up.
    Column("due_at", UtcTimestamp),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", UtcTimestamp),
    Column("problem", String(500)),
)
Index("ix_outbox_mail_due_at", OUTBOX_MAIL.c.due_at)
