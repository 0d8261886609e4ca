"""Upstreams and their targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.gateway.models import Target, Upstream
from tollway.gateway.ports import EntityRepository
from tollway.gateway.schema.upstreams import TARGETS, UPSTREAMS
from tollway.gateway.schema.violation import Violation
from tollway.gateway.service.base import EntityService

__all__ = ["Targets", "Upstreams"]


class Upstreams(EntityService[Upstream]):
    """Names that stand for several addresses."""

    schema = UPSTREAMS
    singular = "upstream"

    @property
    def repository(self) -> EntityRepository[Upstream]:
        """Where upstreams are kept."""
        return self.repositories.upstreams

    def build(self, attributes: dict[str, Any], existing: Upstream | None) -> Upstream:  # noqa: ARG002
        """Make the model."""
        return Upstream(**attributes)

    def delete_children(self, entity: Upstream) -> None:
        """Targets go with their upstream."""
        for target in self.repositories.targets.all(upstream_id=entity.id):
            self.repositories.targets.delete(target)


class Targets(EntityService[Target]):
    """Addresses of upstreams."""

    schema = TARGETS
    singular = "target"

    @property
    def repository(self) -> EntityRepository[Target]:
        """Where targets are kept."""
        return self.repositories.targets

    def build(self, attributes: dict[str, Any], existing: Target | None) -> Target:  # noqa: ARG002
        """Make the model."""
        return Target(**attributes)

    def find_by_key(self, value: str, within: Mapping[str, Any]) -> Target | None:
        """An address is unique within its upstream alone, and may leave out its port as in a document."""
        try:
            address = self.schema.record.fields["target"].read(value)
        except Violation:
            return None
        return self.repository.find(target=address, **within) if "upstream_id" in within else None

    def unique_keys(self, entity: Target) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """An upstream has an address once."""
        key = {"upstream": {"id": str(entity.upstream_id)}, "target": entity.target}
        return [({"upstream_id": entity.upstream_id, "target": entity.target}, key)]
