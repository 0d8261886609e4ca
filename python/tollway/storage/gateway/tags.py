"""Looking for tags, which are a JSON list in each row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    and_,
    cast,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from tollway.gateway.ports import TagFilter, TaggedEntity
from tollway.storage.tables import gateway as tables

__all__ = ["tagged", "tags"]

_ENTITIES = {
    "acls": tables.ACL,
    "ca_certificates": tables.CA_CERTIFICATE,
    "certificates": tables.CERTIFICATE,
    "consumer_groups": tables.CONSUMER_GROUP,
    "consumers": tables.CONSUMER,
    "keyauth_credentials": tables.KEY_AUTH,
    "plugins": tables.PLUGIN,
    "routes": tables.ROUTE,
    "services": tables.SERVICE,
    "snis": tables.SNI,
    "targets": tables.TARGET,
    "upstreams": tables.UPSTREAM,
}


def tagged(table: Table, wanted: TagFilter, dialect: str) -> ColumnElement[bool]:
    """Return the condition that an entity has the tags of `wanted`."""
    conditions = [_has(table, tag, dialect) for tag in wanted.tags]
    return and_(*conditions) if wanted.every else or_(*conditions)


def tags(
    connection: Connection, tag: str | None, after: TaggedEntity | None, size: int
) -> list[TaggedEntity]:
    """Return up to `size` tags of entities after `after`, ordered by tag, kind of entity and id."""
    dialect = connection.dialect.name
    parts = [_listed(name, table, dialect) for name, table in _ENTITIES.items()]
    every = union_all(*parts).subquery()
    order = (every.c.tag, every.c.entity_name, every.c.entity_id)
    query = select(every).order_by(*order).limit(size)
    if tag is not None:
        query = query.where(every.c.tag == tag)
    if after is not None:
        last = tuple_(
            literal(after.tag), literal(after.entity_name), literal(after.entity_id, tables.ACL.c.id.type)
        )
        query = query.where(tuple_(*order) > last)
    return [TaggedEntity(row.entity_name, row.entity_id, row.tag) for row in connection.execute(query)]


def _has(table: Table, tag: str, dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return cast(table.c.tags, JSONB).contains([tag])
    each = func.json_each(table.c.tags).table_valued("value")
    return exists(select(literal(1)).select_from(each).where(each.c.value == tag))


def _listed(name: str, table: Table, dialect: str) -> Select[Any]:
    each: Any
    if dialect == "postgresql":
        each = func.jsonb_array_elements_text(table.c.tags).table_valued(column("value", String))
    else:
        each = func.json_each(table.c.tags).table_valued(column("value", String))
    return select(
        each.c.value.label("tag"), literal(name).label("entity_name"), table.c.id.label("entity_id")
    ).select_from(table.join(each, literal(value=True)))
