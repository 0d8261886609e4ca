"""API keys: supplied ones can be read again, minted ones are shown once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tollway.gateway.errors import KeyEnds, SchemaViolation
from tollway.gateway.key_format import mint
from tollway.gateway.models import KeyAuth
from tollway.gateway.ports import GatewayRepositories, KeyAuthRepository
from tollway.gateway.schema.consumers import KEY_AUTHS
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.violation import Violation
from tollway.gateway.secrets import KeyReference, KeyVault
from tollway.gateway.service.base import EntityService
from tollway.kernel.clock import Clock

__all__ = ["KeyAuths", "Rotation"]


_LONGEST_OVERLAP = timedelta(days=30)
# Clocks of gateways and control differ a little: who is behind must not lose a key before its time.
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """A key and its successor. Both work until `old.expires_at`, then the new one alone."""

    old: KeyAuth
    new: KeyAuth


class _KeyAuthSchema(EntitySchema):
    """What is stored has no `key`; its document has the reference in that place.

    `ttl` is as of now, so whoever shows a document or changes one puts it in.
    """

    def document(self, entity: Any) -> dict[str, Any]:
        reference = KeyReference(entity.pepper_id, entity.hash, entity.last_four)
        return {
            "id": str(entity.id),
            "created_at": int(entity.created_at.timestamp()),
            "consumer": {"id": str(entity.consumer_id)},
            "key": str(reference),
            "tags": None if entity.tags is None else list(entity.tags),
            "ttl": None,
        }


@dataclass(frozen=True)
class _Timed(_KeyAuthSchema):
    """The same, with the seconds left."""

    left: Callable[[Any], int | None] = field(kw_only=True)

    def document(self, entity: Any) -> dict[str, Any]:
        return super().document(entity) | {"ttl": self.left(entity)}


class KeyAuths(EntityService[KeyAuth]):
    """Keys for the key-auth plugin."""

    schema = _KeyAuthSchema(KEY_AUTHS.name, KEY_AUTHS.record, KEY_AUTHS.key)
    singular = "key-auth credential"

    def __init__(self, repositories: GatewayRepositories, clock: Clock, vault: KeyVault, brand: str) -> None:
        super().__init__(repositories, clock)
        self._vault = vault
        self._brand = brand
        self._fresh: dict[UUID, str] = {}

    @property
    def repository(self) -> KeyAuthRepository:
        """Where keys are kept."""
        return self.repositories.key_auths

    def schema_for(self, document: Mapping[str, Any], existing: KeyAuth | None) -> EntitySchema:  # noqa: ARG002
        """A change that doesn't speak of `ttl` finds in it what is left."""
        return _Timed(self.schema.name, self.schema.record, self.schema.key, left=self.ttl)

    def find(self, reference: str, within: Mapping[str, Any] | None = None) -> KeyAuth | None:
        """Return the key; one that has ended isn't there, whether it was purged yet or not."""
        credential = super().find(reference, within)
        return None if credential is None or self._has_ended(credential) else credential

    def ttl(self, credential: KeyAuth) -> int | None:
        """Return the seconds until a key ends, as Kong shows them; None where it doesn't."""
        if credential.expires_at is None:
            return None
        return max(0, math.ceil((credential.expires_at - self.now()).total_seconds()))

    def rotate(self, credential_id: UUID, overlap: timedelta) -> Rotation:
        """Mint a successor for a key, which itself ends after `overlap` (0 to 30 days).

        `reveal(rotation.new)` gives the new key's text, within this transaction alone.

        Raises:
            EntityNotFound: there is no such key.
            SchemaViolation: the overlap is out of range.
            KeyEnds: the key is about to end already; rotating it again would make a second successor.
        """
        if not timedelta(0) <= overlap <= _LONGEST_OVERLAP:
            most = _LONGEST_OVERLAP // timedelta(seconds=1)
            raise SchemaViolation({"expire_old_after": f"value should be between 0 and {most}"})
        before = self.get(str(credential_id))
        if before.expires_at is not None:
            raise KeyEnds(before.id, before.expires_at)
        after = replace(before, expires_at=self.now() + overlap)
        self.repository.update(before, after)
        new = self.create(
            {
                "consumer": {"id": str(before.consumer_id)},
                "tags": None if before.tags is None else list(before.tags),
            }
        )
        return Rotation(after, new)

    def has_ended_ones(self) -> bool:
        """Whether `purge` has anything to do: asked without taking the write lock."""
        return bool(self.repository.ended(before=self.now() - _SKEW, limit=1))

    def purge(self, limit: int) -> int:
        """Delete up to `limit` keys that ended more than a minute ago; return how many there were."""
        ended = self.repository.ended(before=self.now() - _SKEW, limit=limit)
        for credential in ended:
            self.repository.delete(credential)
        return len(ended)

    def reveal(self, credential: KeyAuth) -> str:
        """Return what may be shown as the key: a supplied one, one minted just now, or a reference.

        Raises:
            Conflict: the installation's secret is not the one under which the key was encrypted.
        """
        if credential.id in self._fresh:
            return self._fresh[credential.id]
        if credential.encrypted is not None:
            return self._vault.decrypt(credential.encrypted, str(credential.id))
        return str(KeyReference(credential.pepper_id, credential.hash, credential.last_four))

    def build(self, attributes: dict[str, Any], existing: KeyAuth | None) -> KeyAuth:
        """Make the model from a key, a reference, or nothing, which mints one."""
        attributes["expires_at"] = self._end(attributes.pop("ttl"), existing)
        key = attributes.pop("key")
        entity_id: UUID = attributes["id"]
        if key is None:
            key = mint(self._brand, self._mode_of(attributes["consumer_id"]))
            self._fresh[entity_id] = key
            return self._model(attributes, self._vault.reference(key), None)
        reference = self._parse(key)
        if reference is None:
            encrypted = self._vault.encrypt(key, str(entity_id))
            return self._model(attributes, self._vault.reference(key), encrypted)
        known = existing or self.repository.find(hash=reference.hash)
        if known is not None and known.id == entity_id and known.hash == reference.hash:
            # The reference of a key that was supplied: it stays readable.
            reference = KeyReference(known.pepper_id, known.hash, known.last_four)
            return self._model(attributes, reference, known.encrypted)
        return self._model(attributes, reference, None)

    def find_by_key(self, value: str, within: Mapping[str, Any]) -> KeyAuth | None:  # noqa: ARG002
        """Find by the key itself or its reference."""
        try:
            reference = self._vault.parse(value) or self._vault.reference(value)
        except Violation:
            return None
        return self.repository.find(hash=reference.hash)

    def unique_keys(self, entity: KeyAuth) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """A key opens one door; one that has ended stands in nobody's way."""
        other = self.repository.find(hash=entity.hash)
        if other is not None and other.id != entity.id and self._has_ended(other):
            self.repository.delete(other)
        return [({"hash": entity.hash}, {"key": self.reveal(entity)})]

    def _end(self, ttl: int | None, existing: KeyAuth | None) -> datetime | None:
        if not ttl:
            return None
        left = None if existing is None else self.ttl(existing)
        if existing is not None and left is not None and abs(left - ttl) <= 1:
            # Whole seconds that echo what is left don't mean to move the end.
            return existing.expires_at
        return self.now() + timedelta(seconds=ttl)

    def _has_ended(self, credential: KeyAuth) -> bool:
        return credential.expires_at is not None and credential.expires_at <= self.now()

    def _mode_of(self, consumer: UUID) -> Any:
        owner = self.repositories.consumers.get(consumer)
        assert owner is not None  # resolved a moment ago in this transaction
        return owner.attribution.mode

    def _parse(self, key: str) -> KeyReference | None:
        try:
            return self._vault.parse(key)
        except Violation as violation:
            raise SchemaViolation({"key": violation.problem}) from violation

    @staticmethod
    def _model(attributes: dict[str, Any], reference: KeyReference, encrypted: bytes | None) -> KeyAuth:
        return KeyAuth(
            **attributes,
            hash=reference.hash,
            pepper_id=reference.pepper_id,
            last_four=reference.last_four,
            encrypted=encrypted,
        )
