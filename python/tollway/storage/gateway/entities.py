"""Repositories of entities. Each notes what its writes change for the gateways, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Generic
from uuid import UUID

from sqlalchemy import Connection, Table, delete, insert, select, update

from tollway.gateway.models import (
    Acl,
    CaCertificate,
    Certificate,
    Consumer,
    ConsumerGroup,
    Entity,
    KeyAuth,
    Plugin,
    Route,
    Service,
    Sni,
    Target,
    Upstream,
)
from tollway.gateway.ports import TagFilter
from tollway.storage.gateway import mapping
from tollway.storage.gateway.base_parts import base_key, names_of
from tollway.storage.gateway.changes import ChangeJournal
from tollway.storage.gateway.mapping import Columns, M
from tollway.storage.gateway.tags import tagged
from tollway.storage.meters import hold_named_route
from tollway.storage.tables import gateway as tables

__all__ = [
    "AclRepository",
    "CaCertificateRepository",
    "CertificateRepository",
    "ConsumerGroupRepository",
    "ConsumerRepository",
    "EntityTable",
    "KeyAuthRepository",
    "PluginRepository",
    "RouteRepository",
    "ServiceRepository",
    "SniRepository",
    "TargetRepository",
    "UpstreamRepository",
]


class EntityTable(Generic[M]):
    """The entities of one table."""

    table: Table
    model: type[M]

    def __init__(self, connection: Connection, journal: ChangeJournal) -> None:
        self.connection = connection
        self.journal = journal

    def note(self, before: M | None, after: M | None) -> None:
        """Note what a write changes for the gateways; None stands for "not there"."""
        raise NotImplementedError

    def _note_base(self, *entities: Entity | None) -> None:
        for entity in entities:
            if entity is not None:
                self.journal.note_base(base_key(type(entity), entity.id))

    def loaded(self, rows: Iterable[Columns]) -> list[M]:
        """Make the entities that rows hold."""
        return [mapping.entity(self.model, row) for row in rows]

    def get(self, entity_id: UUID) -> M | None:
        """Return the entity with this id."""
        return self.find(id=entity_id)

    def find(self, **attributes: Any) -> M | None:
        """Return the entity with these unique attributes."""
        found = self.connection.execute(select(self.table).filter_by(**attributes)).mappings().one_or_none()
        return None if found is None else self.loaded([found])[0]

    def all(self, **attributes: Any) -> list[M]:
        """Return every entity with these attributes, ordered by id."""
        query = select(self.table).filter_by(**attributes).order_by(self.table.c.id)
        return self.loaded(self.connection.execute(query).mappings())

    def page(
        self, *, after: UUID | None, size: int, tags: TagFilter | None, attributes: Mapping[str, Any]
    ) -> list[M]:
        """Return up to `size` entities whose id comes after `after`, ordered by id."""
        query = select(self.table).filter_by(**attributes).order_by(self.table.c.id).limit(size)
        if after is not None:
            query = query.where(self.table.c.id > after)
        if tags is not None:
            query = query.where(tagged(self.table, tags, self.connection.dialect.name))
        return self.loaded(self.connection.execute(query).mappings())

    def insert(self, entity: M) -> None:
        """Store a new entity."""
        self.connection.execute(insert(self.table), mapping.row(entity))
        self.note(None, entity)

    def update(self, before: M, after: M) -> None:
        """Store `after` in the place of `before`."""
        statement = update(self.table).where(self.table.c.id == before.id)
        self.connection.execute(statement.values(**mapping.row(after)))
        self.note(before, after)

    def delete(self, entity: M) -> None:
        """Remove an entity to which nothing refers."""
        self.connection.execute(delete(self.table).where(self.table.c.id == entity.id))
        self.note(entity, None)


class ServiceRepository(EntityTable[Service]):
    """Upstream APIs."""

    table = tables.SERVICE
    model = Service

    def note(self, before: Service | None, after: Service | None) -> None:
        """Services are in the base."""
        self._note_base(before, after)


class RouteRepository(EntityTable[Route]):
    """Match rules."""

    table = tables.ROUTE
    model = Route

    def note(self, before: Route | None, after: Route | None) -> None:
        """Routes are in the base; a route that gets a name is counted by the meters that give it."""
        self._note_base(before, after)
        if after is not None and after.name and (before is None or before.name != after.name):
            hold_named_route(self.connection, after.id, after.name)


class UpstreamRepository(EntityTable[Upstream]):
    """Names that stand for several addresses."""

    table = tables.UPSTREAM
    model = Upstream

    def note(self, before: Upstream | None, after: Upstream | None) -> None:
        """Upstreams are in the base."""
        self._note_base(before, after)


class TargetRepository(EntityTable[Target]):
    """Addresses of upstreams."""

    table = tables.TARGET
    model = Target

    def note(self, before: Target | None, after: Target | None) -> None:
        """Targets are in their upstream's part of the base."""
        for target in (before, after):
            if target is not None:
                self.journal.note_base(base_key(Upstream, target.upstream_id))


class CertificateRepository(EntityTable[Certificate]):
    """Certificates, each with the names that it is for."""

    table = tables.CERTIFICATE
    model = Certificate

    def note(self, before: Certificate | None, after: Certificate | None) -> None:
        """Certificates are in the base."""
        self._note_base(before, after)

    def loaded(self, rows: Iterable[Columns]) -> list[Certificate]:
        """Make the entities that rows hold, with their names."""
        found = list(rows)
        names = names_of(self.connection, [row["id"] for row in found])
        return [mapping.entity(Certificate, {**row, "snis": names[row["id"]]}) for row in found]


class SniRepository(EntityTable[Sni]):
    """Names of certificates."""

    table = tables.SNI
    model = Sni

    def note(self, before: Sni | None, after: Sni | None) -> None:
        """Names are in their certificate's part of the base."""
        for sni in (before, after):
            if sni is not None:
                self.journal.note_base(base_key(Certificate, sni.certificate_id))


class CaCertificateRepository(EntityTable[CaCertificate]):
    """Authorities."""

    table = tables.CA_CERTIFICATE
    model = CaCertificate

    def note(self, before: CaCertificate | None, after: CaCertificate | None) -> None:
        """Authorities are in the base."""
        self._note_base(before, after)


class ConsumerRepository(EntityTable[Consumer]):
    """Calling identities."""

    table = tables.CONSUMER
    model = Consumer

    def note(self, before: Consumer | None, after: Consumer | None) -> None:
        """A consumer has a row."""
        self.journal.note_consumers(consumer.id for consumer in (before, after) if consumer)


class KeyAuthRepository(EntityTable[KeyAuth]):
    """API keys."""

    table = tables.KEY_AUTH
    model = KeyAuth

    def note(self, before: KeyAuth | None, after: KeyAuth | None) -> None:
        """A key has a row by its hash: another key is another row."""
        self.journal.note_keys(credential.hash for credential in (before, after) if credential)

    def ended(self, *, before: datetime, limit: int) -> list[KeyAuth]:
        """Return up to `limit` keys that ended before this instant."""
        query = select(self.table).where(self.table.c.expires_at < before).limit(limit)
        return [mapping.entity(KeyAuth, found) for found in self.connection.execute(query).mappings()]


class AclRepository(EntityTable[Acl]):
    """Consumers' groups for the acl plugin."""

    table = tables.ACL
    model = Acl

    def note(self, before: Acl | None, after: Acl | None) -> None:
        """Acls are in their consumer's row."""
        self.journal.note_consumers(acl.consumer_id for acl in (before, after) if acl)


class PluginRepository(EntityTable[Plugin]):
    """Policies."""

    table = tables.PLUGIN
    model = Plugin

    def note(self, before: Plugin | None, after: Plugin | None) -> None:
        """A consumer's plugins are in its row, all others in the base."""
        for plugin in (before, after):
            if plugin is not None and plugin.consumer_id is not None:
                self.journal.note_consumers([plugin.consumer_id])
            else:
                self._note_base(plugin)


class ConsumerGroupRepository(EntityTable[ConsumerGroup]):
    """Groups of consumers."""

    table = tables.CONSUMER_GROUP
    model = ConsumerGroup

    def note(self, before: ConsumerGroup | None, after: ConsumerGroup | None) -> None:
        """Groups are in the base; a new name also changes the order of groups in its members' rows."""
        self._note_base(before, after)
        if before is not None and after is not None and before.name != after.name:
            member = tables.CONSUMER_GROUP_MEMBER.c
            here = select(member.consumer_id).where(member.consumer_group_id == after.id)
            elsewhere = select(member.consumer_id).where(member.consumer_group_id != after.id)
            self.journal.note_consumers_in(here.where(member.consumer_id.in_(elsewhere)))
