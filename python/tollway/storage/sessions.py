"""The repositories of sessions and of attempts."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, case, delete, insert, select, update

from tollway.accounts.models import Realm, Session
from tollway.storage.statements import upsert
from tollway.storage.tables.accounts import ACCOUNT_ATTEMPT, ACCOUNT_SESSION

__all__ = ["SqlAttempts", "SqlSessions"]


class SqlSessions:
    """`tollway.accounts.ports.Sessions` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, session: Session) -> None:
        """See `Sessions.add`."""
        self._connection.execute(
            insert(ACCOUNT_SESSION).values(
                id=session.id,
                token_hash=session.token_hash,
                realm=session.realm.value,
                subject_id=session.subject,
                created_at=session.created_at,
                last_seen_at=session.last_seen_at,
                expires_at=session.expires_at,
            )
        )

    def find(self, realm: Realm, token_hash: str) -> Session | None:
        """See `Sessions.find`."""
        row = self._connection.execute(
            select(ACCOUNT_SESSION).where(
                ACCOUNT_SESSION.c.token_hash == token_hash, ACCOUNT_SESSION.c.realm == realm.value
            )
        ).one_or_none()
        if row is None:
            return None
        return Session(
            id=row.id,
            token_hash=row.token_hash,
            realm=Realm(row.realm),
            subject=row.subject_id,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
        )

    def seen(self, session: UUID, now: datetime) -> None:
        """See `Sessions.seen`."""
        self._connection.execute(
            update(ACCOUNT_SESSION).where(ACCOUNT_SESSION.c.id == session).values(last_seen_at=now)
        )

    def end(self, token_hash: str) -> None:
        """See `Sessions.end`."""
        self._connection.execute(delete(ACCOUNT_SESSION).where(ACCOUNT_SESSION.c.token_hash == token_hash))

    def end_all(self, realm: Realm, subject: UUID) -> None:
        """See `Sessions.end_all`."""
        self._connection.execute(
            delete(ACCOUNT_SESSION).where(
                ACCOUNT_SESSION.c.realm == realm.value, ACCOUNT_SESSION.c.subject_id == subject
            )
        )

    def drop_expired(self, now: datetime) -> None:
        """See `Sessions.drop_expired`."""
        self._connection.execute(delete(ACCOUNT_SESSION).where(ACCOUNT_SESSION.c.expires_at <= now))


class SqlAttempts:
    """`tollway.accounts.ports.Attempts` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, kind: str, key: str, now: datetime, window: timedelta) -> tuple[int, datetime]:
        """See `Attempts.count`. One statement: two at once are both counted."""
        attempt = ACCOUNT_ATTEMPT.c
        over = attempt.until <= now
        statement = upsert(self._connection, ACCOUNT_ATTEMPT).values(
            kind=kind, key=key, attempts=1, until=now + window
        )
        row = self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[attempt.kind, attempt.key],
                set_={
                    "attempts": case((over, 1), else_=attempt.attempts + 1),
                    "until": case((over, statement.excluded.until), else_=attempt.until),
                },
            ).returning(attempt.attempts, attempt.until)
        ).one()
        self._connection.execute(delete(ACCOUNT_ATTEMPT).where(attempt.until <= now - timedelta(days=1)))
        return row.attempts, row.until

    def forget(self, kind: str, key: str) -> None:
        """See `Attempts.forget`."""
        self._connection.execute(
            delete(ACCOUNT_ATTEMPT).where(ACCOUNT_ATTEMPT.c.kind == kind, ACCOUNT_ATTEMPT.c.key == key)
        )
