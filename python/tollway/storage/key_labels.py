"""What an organisation calls its keys; the keys themselves are the gateway's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, insert, select

from tollway.storage.tables.accounts import KEY_LABEL

__all__ = ["SqlKeyLabels"]


class SqlKeyLabels:
    """Names of keys within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, credential: UUID, name: str, by: UUID, now: datetime) -> None:
        """Name a key that is new."""
        self._connection.execute(
            insert(KEY_LABEL).values(credential_id=credential, name=name, created_by=by, created_at=now)
        )

    def names(self, credentials: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the names of keys, of those that have one."""
        rows = self._connection.execute(
            select(KEY_LABEL.c.credential_id, KEY_LABEL.c.name).where(
                KEY_LABEL.c.credential_id.in_(credentials)
            )
        )
        return {row.credential_id: row.name for row in rows}
