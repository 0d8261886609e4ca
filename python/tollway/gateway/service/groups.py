"""Consumer groups and who is in them. A plan is a group with a rate limit."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tollway.gateway.models import Consumer, ConsumerGroup
from tollway.gateway.ports import EntityRepository
from tollway.gateway.schema.consumers import CONSUMER_GROUPS
from tollway.gateway.service.base import EntityService

__all__ = ["ConsumerGroups"]


class ConsumerGroups(EntityService[ConsumerGroup]):
    """Groups of consumers."""

    schema = CONSUMER_GROUPS
    singular = "consumer group"

    @property
    def repository(self) -> EntityRepository[ConsumerGroup]:
        """Where groups are kept."""
        return self.repositories.consumer_groups

    def build(self, attributes: dict[str, Any], existing: ConsumerGroup | None) -> ConsumerGroup:  # noqa: ARG002
        """Make the model."""
        return ConsumerGroup(**attributes)

    def delete_children(self, entity: ConsumerGroup) -> None:
        """Plugins and memberships go with their group; its consumers stay."""
        for plugin in self.repositories.plugins.all(consumer_group_id=entity.id):
            self.repositories.plugins.delete(plugin)
        self.repositories.members.remove_all(group=entity.id)

    def add(self, group: UUID, consumer: UUID) -> bool:
        """Put a consumer into a group; False where it was there."""
        return self.repositories.members.add(group, consumer)

    def remove_member(self, group: UUID, consumer: UUID) -> bool:
        """Take a consumer out of a group; False where it wasn't there."""
        return self.repositories.members.remove(group, consumer)

    def move(self, consumer: UUID, *, out_of: UUID | None, into: UUID | None) -> None:
        """Take a consumer out of one group and put it into another: both or neither, in one version."""
        if out_of != into:
            if out_of is not None:
                self.remove_member(out_of, consumer)
            if into is not None:
                self.add(into, consumer)

    def empty(self, group: UUID) -> None:
        """Take every consumer out of a group."""
        self.repositories.members.remove_all(group=group)

    def leave_all(self, consumer: UUID) -> None:
        """Take a consumer out of every group."""
        self.repositories.members.remove_all(consumer=consumer)

    def groups_of(self, consumer: UUID) -> list[ConsumerGroup]:
        """Return the groups that a consumer is in, by name."""
        return self.repositories.members.groups_of(consumer)

    def members_of(self, group: UUID) -> list[Consumer]:
        """Return who is in a group, by id."""
        return self.repositories.members.consumers_of(group)

    def has_member(self, group: UUID, consumer: UUID) -> bool:
        """Whether a consumer is in a group."""
        return self.repositories.members.has(group, consumer)
