"""What the complete part of the configuration consists of, read from the tables: one fragment an entity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Table, select

from tollway.gateway.models import (
    CaCertificate,
    Certificate,
    ConsumerGroup,
    Entity,
    Plugin,
    Route,
    Service,
    Target,
    Upstream,
)
from tollway.gateway.ports import CertificateEntry, UpstreamEntry
from tollway.gateway.secrets import KeyVault
from tollway.gateway.service.certificates import decrypted_keys
from tollway.gateway.snapshot import BaseEntity
from tollway.storage.gateway import mapping
from tollway.storage.gateway.parts import parts
from tollway.storage.tables.gateway import (
    CA_CERTIFICATE,
    CERTIFICATE,
    CONSUMER_GROUP,
    PLUGIN,
    ROUTE,
    SERVICE,
    SNI,
    TARGET,
    UPSTREAM,
)

__all__ = ["KINDS", "base_entities", "base_key", "names_of"]

_TABLES: dict[type[Any], Table] = {
    Service: SERVICE,
    Route: ROUTE,
    ConsumerGroup: CONSUMER_GROUP,
    Plugin: PLUGIN,
    Upstream: UPSTREAM,
    Certificate: CERTIFICATE,
    CaCertificate: CA_CERTIFICATE,
}
KINDS: Mapping[type[Any], str] = {model: table.name for model, table in _TABLES.items()}
"""How keys of changes begin, by kind of entity."""


def base_key(model: type[Entity], entity_id: UUID) -> str:
    """Return the key under which a change of this entity is noted."""
    return f"{KINDS[model]}:{entity_id}"


def base_entities(
    connection: Connection, vault: KeyVault, wanted: Mapping[str, Sequence[UUID]] | None
) -> Iterator[tuple[Entity, BaseEntity]]:
    """Return the entities of the base and what gateways get of each; `wanted` are ids by kind, None all."""
    for model, table in _TABLES.items():
        for rows in _rows(connection, table, None if wanted is None else wanted.get(table.name, ())):
            if model is Upstream:
                yield from _upstreams(connection, rows)
            elif model is Certificate:
                yield from _certificates(connection, vault, rows)
            else:
                for row in rows:
                    entity = mapping.entity(model, row)
                    yield entity, entity


def names_of(connection: Connection, certificates: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Return the names that certificates are for, in order."""
    names: dict[UUID, list[str]] = defaultdict(list)
    for part in parts(certificates):
        query = select(SNI.c.certificate_id, SNI.c.name).where(SNI.c.certificate_id.in_(part))
        for certificate, name in connection.execute(query.order_by(SNI.c.name)):
            names[certificate].append(name)
    return names


def _rows(connection: Connection, table: Table, ids: Sequence[UUID] | None) -> Iterator[Sequence[RowMapping]]:
    if ids is None:
        yield connection.execute(select(table)).mappings().all()
        return
    for part in parts(ids):
        yield connection.execute(select(table).where(table.c.id.in_(part))).mappings().all()


def _upstreams(connection: Connection, rows: Sequence[RowMapping]) -> Iterator[tuple[Entity, BaseEntity]]:
    targets: dict[UUID, list[Target]] = defaultdict(list)
    for part in parts(row["id"] for row in rows):
        query = select(TARGET).where(TARGET.c.upstream_id.in_(part)).order_by(TARGET.c.id)
        for found in connection.execute(query).mappings():
            targets[found["upstream_id"]].append(mapping.entity(Target, found))
    for row in rows:
        upstream = mapping.entity(Upstream, row)
        yield upstream, UpstreamEntry(upstream, targets[upstream.id])


def _certificates(
    connection: Connection, vault: KeyVault, rows: Sequence[RowMapping]
) -> Iterator[tuple[Entity, BaseEntity]]:
    names = names_of(connection, [row["id"] for row in rows])
    for row in rows:
        certificate = mapping.entity(Certificate, {**row, "snis": names[row["id"]]})
        yield certificate, CertificateEntry(certificate, *decrypted_keys(vault, certificate))
