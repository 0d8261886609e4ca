"""The configuration read for gateways: `tollway.gateway.ports.ConfigurationReader` over one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from tollway.gateway.models import Plugin
from tollway.gateway.ports import Changes, ConsumerEntry, KeyEntry
from tollway.storage.gateway import mapping
from tollway.storage.gateway.base import BaseCache
from tollway.storage.gateway.changes import ChangeJournal, changes_after
from tollway.storage.gateway.parts import parts
from tollway.storage.tables.gateway import (
    ACL,
    CONSUMER,
    CONSUMER_GROUP,
    CONSUMER_GROUP_MEMBER,
    KEY_AUTH,
    PLUGIN,
)

__all__ = ["SqlConfiguration"]

_BATCH = 1_000

# What `ConsumerEntry` and `KeyEntry` consist of.
_CONSUMERS = select(
    CONSUMER.c.id,
    CONSUMER.c.username,
    CONSUMER.c.custom_id,
    CONSUMER.c.customer_id,
    CONSUMER.c.phase_id,
    CONSUMER.c.mode,
    CONSUMER.c.entitlement,
)
_KEYS = select(KEY_AUTH.c.id, KEY_AUTH.c.hash, KEY_AUTH.c.consumer_id, KEY_AUTH.c.expires_at)


class SqlConfiguration:
    """One consistent view of the configuration."""

    def __init__(self, connection: Connection, journal: ChangeJournal, cache: BaseCache) -> None:
        self._connection = connection
        self._journal = journal
        self._cache = cache

    def version(self) -> int:
        """Return the newest version."""
        return self._journal.version()

    def pending(self) -> Changes:
        """Return what this very transaction has changed so far."""
        return self._journal.pending()

    def changes_after(self, version: int, limit: int) -> Changes | None:
        """Return what changed after `version`, or None where everything has to be sent."""
        return changes_after(self._connection, version, limit)

    def base(self) -> bytes:
        """Return the complete part as JSON, routes oldest first."""
        return self._cache.read(self._connection, self._journal.own)

    def consumers(self, ids: Iterable[UUID]) -> list[ConsumerEntry]:
        """Return those of the consumers that there are."""
        found: list[ConsumerEntry] = []
        for part in parts(sorted(ids)):
            query = _CONSUMERS.where(CONSUMER.c.id.in_(part)).order_by(CONSUMER.c.id)
            rows = self._connection.execute(query).all()
            found += self._entries(rows, lambda column, part=part: column.in_(part))
        return found

    def key_auths(self, hashes: Iterable[str]) -> list[KeyEntry]:
        """Return those of the keys that there are."""
        found: list[KeyEntry] = []
        for part in parts(sorted(hashes)):
            query = _KEYS.where(KEY_AUTH.c.hash.in_(part))
            found += [KeyEntry(*row) for row in self._connection.execute(query)]
        return found

    def every_consumer(self) -> Iterator[list[ConsumerEntry]]:
        """Return all consumers, up to 1,000 at a time."""
        query = _CONSUMERS.order_by(CONSUMER.c.id).limit(_BATCH)
        after: UUID | None = None
        while True:
            page = query if after is None else query.where(CONSUMER.c.id > after)
            rows = self._connection.execute(page).all()
            if not rows:
                return
            first, after = rows[0].id, rows[-1].id
            yield self._entries(rows, lambda column, low=first, high=after: column.between(low, high))

    def every_key_auth(self) -> Iterator[list[KeyEntry]]:
        """Return all keys, up to 1,000 at a time."""
        query = _KEYS.order_by(KEY_AUTH.c.id).limit(_BATCH)
        after: UUID | None = None
        while True:
            page = query if after is None else query.where(KEY_AUTH.c.id > after)
            rows = [KeyEntry(*row) for row in self._connection.execute(page)]
            if not rows:
                return
            after = rows[-1].id
            yield rows

    def _entries(self, consumers: Sequence[Any], these: Any) -> list[ConsumerEntry]:
        """Add what belongs to consumers; `these` makes the condition that a column is one of theirs."""
        member = CONSUMER_GROUP_MEMBER.c
        groups = self._by_consumer(
            select(member.consumer_id, member.consumer_group_id)
            .join(CONSUMER_GROUP)
            .where(these(member.consumer_id))
            .order_by(CONSUMER_GROUP.c.name)
        )
        acls = self._by_consumer(
            select(ACL.c.consumer_id, ACL.c.group).where(these(ACL.c.consumer_id)).order_by(ACL.c.group)
        )
        plugins: dict[UUID, list[Plugin]] = defaultdict(list)
        query = select(PLUGIN).where(these(PLUGIN.c.consumer_id)).order_by(PLUGIN.c.id)
        for row in self._connection.execute(query).mappings():
            plugins[row["consumer_id"]].append(mapping.entity(Plugin, row))
        nothing: list[Any] = []
        return [
            ConsumerEntry(
                consumer.id,
                consumer.username,
                consumer.custom_id,
                consumer.customer_id,
                consumer.phase_id,
                consumer.mode,
                groups.get(consumer.id, nothing),
                acls.get(consumer.id, nothing),
                plugins.get(consumer.id, nothing),
                consumer.entitlement,
            )
            for consumer in consumers
        ]

    def _by_consumer(self, query: Any) -> dict[UUID, list[Any]]:
        result: dict[UUID, list[Any]] = defaultdict(list)
        for consumer, value in self._connection.execute(query):
            result[consumer].append(value)
        return result
