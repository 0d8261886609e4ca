"""API keys: supplied ones can be read again, minted ones are shown once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tollway.gateway.errors import SchemaViolation
from tollway.gateway.key_format import mint
from tollway.gateway.models import KeyAuth
from tollway.gateway.ports import EntityRepository, GatewayRepositories
from tollway.gateway.schema.consumers import KEY_AUTHS
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.violation import Violation
from tollway.gateway.secrets import KeyReference, KeyVault
from tollway.gateway.service.base import EntityService
from tollway.kernel.clock import Clock

__all__ = ["KeyAuths"]


class _KeyAuthSchema(EntitySchema):
    """What is stored has no `key`; its document has the reference in that place."""

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
    def repository(self) -> EntityRepository[KeyAuth]:
        """Where keys are kept."""
        return self.repositories.key_auths

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
        """A key opens one door."""
        return [({"hash": entity.hash}, {"key": self.reveal(entity)})]

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
