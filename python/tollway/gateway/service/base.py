"""Create, read, replace, change, delete: what all entities have in common."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from tollway.gateway.errors import (
    EntityNotFound,
    ForeignKeyViolation,
    InvalidOffset,
    InvalidPrimaryKey,
    PrimaryKeyViolation,
    SchemaViolation,
    UniqueViolation,
)
from tollway.gateway.models import Entity
from tollway.gateway.ports import EntityRepository, GatewayRepositories, TagFilter
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.fields import uuid_of
from tollway.gateway.schema.violation import Violation
from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id

__all__ = ["EntityService", "Page", "PageRequest"]

M = TypeVar("M", bound=Entity)
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list: `offset` is the token that the page before gave."""

    size: int = 100
    offset: str | None = None
    tags: TagFilter | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Part of a list; `offset` leads to the next part, None on the last one."""

    items: list[M]
    offset: str | None


class EntityService(Generic[M]):
    """The use cases of one kind of entity.

    A `reference` is an id or the value of the schema's `key`. `within` are attributes that an entity must
    have to be seen at all: below `/consumers/bob` only bob's keys exist.
    """

    schema: ClassVar[EntitySchema]
    singular: ClassVar[str]

    def __init__(self, repositories: GatewayRepositories, clock: Clock) -> None:
        self.repositories = repositories
        self.clock = clock

    @property
    def repository(self) -> EntityRepository[M]:
        """Where these entities are kept."""
        raise NotImplementedError

    # What differs between kinds.

    def schema_for(self, document: Document, existing: M | None) -> EntitySchema:  # noqa: ARG002
        """Return the schema that `document` has to follow."""
        return self.schema

    def build(self, attributes: dict[str, Any], existing: M | None) -> M:
        """Make the model."""
        raise NotImplementedError

    def unique_keys(self, entity: M) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Return what may exist once: attributes to look for, and the key as Kong words it."""
        keys: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        for name, field in self.schema.record.fields.items():
            if field.unique and (value := getattr(entity, name)) is not None:
                keys.append(({name: value}, {name: value}))
        return keys

    def delete_children(self, entity: M) -> None:
        """Delete what cannot be without `entity`, or refuse."""

    # Reading.

    def find(self, reference: str, within: Document | None = None) -> M | None:
        """Return the entity, or None."""
        try:
            entity = self.repository.get(uuid_of(reference))
        except Violation:
            entity = self.find_by_key(reference, within or {})
        if entity is None or any(getattr(entity, name) != value for name, value in (within or {}).items()):
            return None
        return entity

    def find_by_key(self, value: str, within: Document) -> M | None:  # noqa: ARG002
        """Return the entity with this value of the schema's key."""
        return self.repository.find(**{self.schema.key: value}) if self.schema.key else None

    def get(self, reference: str, within: Document | None = None) -> M:
        """Return the entity.

        Raises:
            EntityNotFound: there is none.
        """
        entity = self.find(reference, within)
        if entity is None:
            raise EntityNotFound(self.singular, reference)
        return entity

    def page(self, request: PageRequest, within: Document | None = None) -> Page[M]:
        """Return one page.

        Raises:
            InvalidOffset: the token is not one of ours.
        """
        after = None if request.offset is None else _read_offset(request.offset)
        found = self.repository.page(
            after=after, size=request.size + 1, tags=request.tags, attributes=within or {}
        )
        items = found[: request.size]
        return Page(items, _write_offset(items[-1].id) if len(found) > request.size else None)

    # Writing.

    def create(self, document: Document) -> M:
        """Store a new entity.

        Raises:
            SchemaViolation, ForeignKeyViolation, PrimaryKeyViolation, UniqueViolation.
        """
        entity = self.make(document, None)
        if self.repository.get(entity.id) is not None:
            raise PrimaryKeyViolation(entity.id)
        return self._store(None, entity)

    def replace(self, reference: str, document: Document, within: Document | None = None) -> M:
        """Store the entity whether it exists or not: nothing of an old one remains but its age."""
        existing = self.find(reference, within)
        identified = dict(document)
        try:
            identified["id"] = str(uuid_of(reference))
        except Violation:
            if self.schema.key is None:
                raise InvalidPrimaryKey(reference) from None
            identified.setdefault(self.schema.key, reference)
            if existing is not None:
                identified["id"] = str(existing.id)
        if existing is None:
            return self.create(identified)
        return self._store(existing, self.make(identified, existing))

    def update(self, reference: str, document: Document, within: Document | None = None) -> M:
        """Change the fields that `document` has.

        Raises:
            EntityNotFound: there is no such entity.
        """
        existing = self.get(reference, within)
        given = document.get("id")
        if given is not None and str(given).lower() != str(existing.id):
            raise SchemaViolation({"id": "immutable field cannot be updated"})
        schema = self.schema_for(document, existing)
        try:
            change = schema.record.expand(document)
        except Violation as violation:
            raise SchemaViolation.of(violation.problem) from violation
        merged = schema.record.merge(schema.document(existing), change)
        return self._store(existing, self.make(merged, existing))

    def delete(self, reference: str, within: Document | None = None) -> bool:
        """Remove the entity with all that belongs to it; False where there was none.

        Raises:
            ForeignKeyViolation: something still refers to it that doesn't belong to it.
        """
        entity = self.find(reference, within)
        if entity is None:
            return False
        self.remove(entity)
        return True

    def remove(self, entity: M) -> None:
        """Remove an entity with all that belongs to it."""
        self.delete_children(entity)
        self.repository.delete(entity)

    # How a document becomes an entity.

    def make(self, document: Document, existing: M | None) -> M:
        """Check a document and make the model that it describes; nothing is stored."""
        schema = self.schema_for(document, existing)
        values = schema.read(document)
        for name, field in schema.foreign.items():
            if field.unsupported is None and values[name] is not None:
                values[name] = {"id": str(self._resolve(name, field.reference, values[name]))}
        attributes = schema.attributes(values)
        now = self.now()
        if attributes["id"] is None:
            attributes["id"] = new_id() if existing is None else existing.id
        attributes["created_at"] = _age(attributes["created_at"], existing, now)
        if "updated_at" in attributes:
            attributes["updated_at"] = now
        return self.build(attributes, existing)

    def now(self) -> datetime:
        """Return the present instant."""
        return self.clock.now()

    def _resolve(self, field: str, kind: str, key: Mapping[str, str]) -> UUID:
        repositories: dict[str, EntityRepository[Any]] = {
            "services": self.repositories.services,
            "routes": self.repositories.routes,
            "upstreams": self.repositories.upstreams,
            "certificates": self.repositories.certificates,
            "consumers": self.repositories.consumers,
            "consumer_groups": self.repositories.consumer_groups,
        }
        repository = repositories[kind]
        target: Entity | None = repository.get(UUID(key["id"])) if "id" in key else repository.find(**key)
        if target is None:
            raise ForeignKeyViolation.missing(field, key, kind)
        return target.id

    def _store(self, before: M | None, after: M) -> M:
        for attributes, key in self.unique_keys(after):
            other = self.repository.find(**attributes)
            if other is not None and other.id != after.id:
                raise UniqueViolation(key)
        if before is None:
            self.repository.insert(after)
        else:
            self.repository.update(before, after)
        return after


def _age(given: datetime | None, existing: Entity | None, now: datetime) -> datetime:
    if existing is None:
        return given or now
    # Documents have whole seconds; one that echoes its own age doesn't mean to round it.
    echoed = given is not None and int(given.timestamp()) == int(existing.created_at.timestamp())
    return existing.created_at if given is None or echoed else given


def _write_offset(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _read_offset(token: str) -> UUID:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidOffset(token, "bad base64 encoding") from None
    if len(raw) != 16:
        raise InvalidOffset(token, "not a token that this server gave out")
    return UUID(bytes=raw)
