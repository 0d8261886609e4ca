"""The inbox: webhooks as they came in, each once per source and the sender's id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from tollway.billing.payments.results import Notice, NoticeKind
from tollway.storage.statements import upsert
from tollway.storage.tables.payments import WEBHOOK_INBOX

__all__ = ["SqlInbox"]


class SqlInbox:
    """`tollway.billing.payments.ports.Inbox` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, source: str, notice: Notice, now: datetime) -> bool:
        """See `Inbox.put`."""
        kept = self._connection.execute(
            upsert(self._connection, WEBHOOK_INBOX)
            .values(
                source=source,
                external_id=notice.id,
                type=notice.type,
                kind=notice.kind.value,
                reference=notice.reference,
                live=notice.live,
                received_at=now,
                look_at=now,
                tries=0,
            )
            .on_conflict_do_nothing()
            .returning(WEBHOOK_INBOX.c.external_id)
        ).scalar_one_or_none()
        return kept is not None

    def waiting(self, now: datetime, limit: int) -> Sequence[tuple[str, Notice]]:
        """See `Inbox.waiting`."""
        c = WEBHOOK_INBOX.c
        query = select(WEBHOOK_INBOX).where(c.look_at <= now).order_by(c.look_at, c.external_id).limit(limit)
        return [
            (
                row.source,
                Notice(
                    id=row.external_id,
                    type=row.type,
                    kind=NoticeKind(row.kind),
                    reference=row.reference,
                    live=row.live,
                ),
            )
            for row in self._connection.execute(query)
        ]

    def done(self, source: str, notice: str, now: datetime) -> None:
        """See `Inbox.done`."""
        c = WEBHOOK_INBOX.c
        self._connection.execute(
            update(WEBHOOK_INBOX)
            .where(c.source == source, c.external_id == notice)
            .values(look_at=None, done_at=now, problem=None)
        )

    def put_off(self, source: str, notice: str, reason: str, until: datetime) -> None:
        """See `Inbox.put_off`."""
        c = WEBHOOK_INBOX.c
        self._connection.execute(
            update(WEBHOOK_INBOX)
            .where(c.source == source, c.external_id == notice)
            .values(look_at=until, tries=c.tries + 1, problem=reason[:500])
        )
