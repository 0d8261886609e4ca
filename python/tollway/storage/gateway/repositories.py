"""Everything of the gateway that is bound to one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from tollway.gateway.models import Consumer, KeyAuth
from tollway.gateway.ports import TaggedEntity
from tollway.storage.gateway import mapping, tags
from tollway.storage.gateway.base import BaseCache
from tollway.storage.gateway.changes import CONSUMERS, ChangeJournal
from tollway.storage.gateway.changes import KEY_AUTH as KEY_AUTHS
from tollway.storage.gateway.configuration import SqlConfiguration
from tollway.storage.gateway.entities import (
    AclRepository,
    CaCertificateRepository,
    CertificateRepository,
    ConsumerGroupRepository,
    ConsumerRepository,
    KeyAuthRepository,
    PluginRepository,
    RouteRepository,
    ServiceRepository,
    SniRepository,
    TargetRepository,
    UpstreamRepository,
)
from tollway.storage.gateway.members import MemberRepository
from tollway.storage.gateway.shop import SqlShopRepository
from tollway.storage.tables.gateway import CONSUMER, KEY_AUTH, PLUGIN

__all__ = ["SqlGatewayRepositories"]


class SqlGatewayRepositories:
    """`tollway.gateway.ports.GatewayRepositories` over a connection.

    One per transaction: it holds the version that the transaction makes.
    """

    def __init__(self, connection: Connection, cache: BaseCache) -> None:
        self._connection = connection
        self._journal = ChangeJournal(connection)
        self.services = ServiceRepository(connection, self._journal)
        self.routes = RouteRepository(connection, self._journal)
        self.upstreams = UpstreamRepository(connection, self._journal)
        self.targets = TargetRepository(connection, self._journal)
        self.certificates = CertificateRepository(connection, self._journal)
        self.snis = SniRepository(connection, self._journal)
        self.ca_certificates = CaCertificateRepository(connection, self._journal)
        self.consumers = ConsumerRepository(connection, self._journal)
        self.key_auths = KeyAuthRepository(connection, self._journal)
        self.acls = AclRepository(connection, self._journal)
        self.plugins = PluginRepository(connection, self._journal)
        self.consumer_groups = ConsumerGroupRepository(connection, self._journal)
        self.members = MemberRepository(connection, self._journal)
        self.shop = SqlShopRepository(connection, self._journal)
        self.configuration = SqlConfiguration(connection, self._journal, cache)

    def plugin_names(self) -> list[str]:
        """Return the names of plugins that are in use, in order."""
        query = select(PLUGIN.c.name).distinct().order_by(PLUGIN.c.name)
        return list(self._connection.execute(query).scalars())

    def tags(self, tag: str | None, after: TaggedEntity | None, size: int) -> list[TaggedEntity]:
        """Return every tag of every entity, ordered by tag, kind and id."""
        return tags.tags(self._connection, tag, after, size)

    def insert_consumers(self, consumers: Sequence[Consumer], keys: Sequence[KeyAuth]) -> None:
        """Store many new consumers and their keys, which the engine has judged already."""
        if consumers:
            self._connection.execute(insert(CONSUMER), [mapping.row(consumer) for consumer in consumers])
            self._journal.note_new(CONSUMERS, [str(consumer.id) for consumer in consumers])
        if keys:
            self._connection.execute(insert(KEY_AUTH), [mapping.row(key) for key in keys])
            self._journal.note_new(KEY_AUTHS, [key.hash for key in keys])
