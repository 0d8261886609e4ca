"""The outbox: mails leave the transaction that they belong to with its commit, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from tollway.storage.tables.outbox import OUTBOX_MAIL

__all__ = ["OutboxMail", "SqlOutbox"]

_C = OUTBOX_MAIL.c


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMail:
    """A mail to send. Its id becomes its Message-ID: sent twice, it is still one mail to most readers."""

    id: UUID
    recipient: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    created_at: datetime
    attempts: int = 0


class SqlOutbox:
    """Mails within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, mail: OutboxMail) -> None:
        """Have a mail sent once this transaction is committed."""
        self._connection.execute(
            insert(OUTBOX_MAIL).values(
                id=mail.id,
                recipient=mail.recipient,
                subject=mail.subject,
                text=mail.text,
                html=mail.html,
                created_at=mail.created_at,
                due_at=mail.created_at,
                attempts=0,
            )
        )

    def due(self, now: datetime, most: int) -> Sequence[UUID]:
        """Return the ids of mails to send, those that wait longest first."""
        return self._connection.scalars(
            select(_C.id).where(_C.due_at <= now).order_by(_C.due_at, _C.id).limit(most)
        ).all()

    def claim(self, mail: UUID, now: datetime, again_at: datetime) -> OutboxMail | None:
        """Take a mail to send it; nobody else does until `again_at`. None where another was first."""
        taken = self._connection.execute(
            update(OUTBOX_MAIL)
            .where(_C.id == mail, _C.due_at <= now)
            .values(due_at=again_at, attempts=_C.attempts + 1)
            .returning(OUTBOX_MAIL)
        ).one_or_none()
        return None if taken is None else _mail(taken)

    def sent(self, mail: UUID, now: datetime) -> None:
        """Note that a mail is with the mail server. Its text is forgotten: it may hold a secret link."""
        self._connection.execute(
            update(OUTBOX_MAIL)
            .where(_C.id == mail)
            .values(sent_at=now, due_at=None, problem=None, text="", html="")
        )

    def failed(self, mail: UUID, problem: str, again_at: datetime | None) -> None:
        """Note why a mail was not sent, and when to try again; None gives it up."""
        self._connection.execute(
            update(OUTBOX_MAIL).where(_C.id == mail).values(problem=problem[:500], due_at=again_at)
        )


def _mail(row: Row[Any]) -> OutboxMail:
    return OutboxMail(
        id=row.id,
        recipient=row.recipient,
        subject=row.subject,
        text=row.text,
        html=row.html,
        created_at=row.created_at,
        attempts=row.attempts,
    )
