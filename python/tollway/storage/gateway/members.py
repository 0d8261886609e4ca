"""Which consumers are in which groups."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select

from tollway.gateway.models import Consumer, ConsumerGroup
from tollway.storage.gateway import mapping
from tollway.storage.gateway.changes import ChangeJournal
from tollway.storage.tables.gateway import CONSUMER, CONSUMER_GROUP, CONSUMER_GROUP_MEMBER

__all__ = ["MemberRepository"]

_MEMBER = CONSUMER_GROUP_MEMBER.c


class MemberRepository:
    """Memberships; a consumer's groups are in its row."""

    def __init__(self, connection: Connection, journal: ChangeJournal) -> None:
        self._connection = connection
        self._journal = journal

    def add(self, group: UUID, consumer: UUID) -> bool:
        """Put a consumer into a group; False where it was there."""
        if self.has(group, consumer):
            return False
        self._connection.execute(
            insert(CONSUMER_GROUP_MEMBER), {"consumer_group_id": group, "consumer_id": consumer}
        )
        self._journal.note_consumers([consumer])
        return True

    def remove(self, group: UUID, consumer: UUID) -> bool:
        """Take a consumer out of a group; False where it wasn't there."""
        removed = self._connection.execute(
            delete(CONSUMER_GROUP_MEMBER).where(_this(group, consumer))
        ).rowcount
        if removed:
            self._journal.note_consumers([consumer])
        return bool(removed)

    def remove_all(self, *, group: UUID | None = None, consumer: UUID | None = None) -> None:
        """Empty a group, or take a consumer out of every group."""
        if (group is None) == (consumer is None):
            raise ValueError("pass a group or a consumer")
        where = _MEMBER.consumer_group_id == group if group else _MEMBER.consumer_id == consumer
        self._journal.note_consumers_in(select(_MEMBER.consumer_id).where(where))
        self._connection.execute(delete(CONSUMER_GROUP_MEMBER).where(where))

    def groups_of(self, consumer: UUID) -> list[ConsumerGroup]:
        """Return the groups that a consumer is in, by name."""
        query = (
            select(CONSUMER_GROUP)
            .join(CONSUMER_GROUP_MEMBER)
            .where(_MEMBER.consumer_id == consumer)
            .order_by(CONSUMER_GROUP.c.name)
        )
        return [mapping.entity(ConsumerGroup, row) for row in self._connection.execute(query).mappings()]

    def consumers_of(self, group: UUID) -> list[Consumer]:
        """Return who is in a group, by id."""
        query = (
            select(CONSUMER)
            .join(CONSUMER_GROUP_MEMBER)
            .where(_MEMBER.consumer_group_id == group)
            .order_by(CONSUMER.c.id)
        )
        return [mapping.entity(Consumer, row) for row in self._connection.execute(query).mappings()]

    def has(self, group: UUID, consumer: UUID) -> bool:
        """Whether a consumer is in a group."""
        query = select(_MEMBER.consumer_id).where(_this(group, consumer))
        return self._connection.execute(query).first() is not None


def _this(group: UUID, consumer: UUID) -> ColumnElement[bool]:
    return and_(_MEMBER.consumer_group_id == group, _MEMBER.consumer_id == consumer)
