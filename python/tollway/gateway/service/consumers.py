"""Consumers, and what plugins know them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from tollway.contracts.entitlement import EntitlementView
from tollway.gateway.errors import EntityNotFound
from tollway.gateway.models import Acl, Attribution, Consumer
from tollway.gateway.ports import EntityRepository
from tollway.gateway.schema.consumers import ACLS, CONSUMERS
from tollway.gateway.service.base import EntityService
from tollway.kernel.mode import Mode

__all__ = ["Acls", "Consumers"]

_UNATTRIBUTED = Attribution(customer_id=None, phase_id=None, mode=Mode.LIVE)


class Consumers(EntityService[Consumer]):
    """Calling identities."""

    schema = CONSUMERS
    singular = "consumer"

    @property
    def repository(self) -> EntityRepository[Consumer]:
        """Where consumers are kept."""
        return self.repositories.consumers

    def build(self, attributes: dict[str, Any], existing: Consumer | None) -> Consumer:
        """Make the model; who pays, and for what, is not Kong's business and stays as it is."""
        return Consumer(
            **attributes,
            attribution=existing.attribution if existing else _UNATTRIBUTED,
            entitlement=existing.entitlement if existing else None,
        )

    def attribute(
        self, consumer: UUID, attribution: Attribution, entitlement: EntitlementView | None = None
    ) -> Consumer:
        """Say who pays for this consumer's requests from the next version on, and what it may use.

        No entitlement means no subscription in force. Nothing is written, and no version made, where all of
        that is so already.

        Raises:
            EntityNotFound: there is no such consumer.
        """
        before = self.repository.get(consumer)
        if before is None:
            raise EntityNotFound(self.singular, str(consumer))
        after = replace(before, attribution=attribution, entitlement=entitlement)
        if after != before:
            self.repository.update(before, after)
        return after

    def delete_children(self, entity: Consumer) -> None:
        """Credentials, groups and plugins go with their consumer."""
        repositories = self.repositories
        for credential in repositories.key_auths.all(consumer_id=entity.id):
            repositories.key_auths.delete(credential)
        for acl in repositories.acls.all(consumer_id=entity.id):
            repositories.acls.delete(acl)
        for plugin in repositories.plugins.all(consumer_id=entity.id):
            repositories.plugins.delete(plugin)
        repositories.members.remove_all(consumer=entity.id)


class Acls(EntityService[Acl]):
    """Consumers' groups for the acl plugin."""

    schema = ACLS
    singular = "acl"

    @property
    def repository(self) -> EntityRepository[Acl]:
        """Where acls are kept."""
        return self.repositories.acls

    def build(self, attributes: dict[str, Any], existing: Acl | None) -> Acl:  # noqa: ARG002
        """Make the model."""
        return Acl(**attributes)

    def find_by_key(self, value: str, within: Mapping[str, Any]) -> Acl | None:
        """A group's name is unique within its consumer alone."""
        return self.repository.find(group=value, **within) if "consumer_id" in within else None

    def unique_keys(self, entity: Acl) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """A consumer is in a group once."""
        key = {"consumer": {"id": str(entity.consumer_id)}, "group": entity.group}
        return [({"consumer_id": entity.consumer_id, "group": entity.group}, key)]
