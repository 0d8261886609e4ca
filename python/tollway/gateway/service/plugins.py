"""Plugins: policies, globally or for a route, service, consumer or group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tollway.gateway.errors import SchemaViolation
from tollway.gateway.models import Plugin
from tollway.gateway.ports import EntityRepository
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.plugins import PLUGINS, plugin_schema
from tollway.gateway.service.base import EntityService

__all__ = ["Plugins"]

_SCHEMAS = {name: plugin_schema(plugin) for name, plugin in PLUGINS.items()}


class Plugins(EntityService[Plugin]):
    """Policies on requests."""

    schema = plugin_schema(None)
    singular = "plugin"

    @property
    def repository(self) -> EntityRepository[Plugin]:
        """Where plugins are kept."""
        return self.repositories.plugins

    def schema_for(self, document: Mapping[str, Any], existing: Plugin | None) -> EntitySchema:
        """The plugin's own schema, by its name."""
        name = document.get("name")
        if name is None and existing is not None:
            name = existing.name
        if name is None:
            raise SchemaViolation({"name": "required field missing"})
        if not isinstance(name, str):
            raise SchemaViolation({"name": "expected a string"})
        if name not in _SCHEMAS:
            raise SchemaViolation(
                {"name": f"plugin '{name}' not enabled; add it to the 'plugins' configuration property"}
            )
        return _SCHEMAS[name]

    def build(self, attributes: dict[str, Any], existing: Plugin | None) -> Plugin:  # noqa: ARG002
        """Make the model."""
        return Plugin(**attributes)

    def unique_keys(self, entity: Plugin) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """A plugin exists once in each scope."""
        key = {
            "name": entity.name,
            "route": _key(entity.route_id),
            "service": _key(entity.service_id),
            "consumer": _key(entity.consumer_id),
            "consumer_group": _key(entity.consumer_group_id),
        }
        return [*super().unique_keys(entity), ({"scope": entity.scope}, key)]

    def names_in_use(self) -> list[str]:
        """Return the names of plugins that are in use, in order."""
        return self.repositories.plugin_names()

    def set_for_group(self, group: UUID, name: str, config: Mapping[str, Any]) -> Plugin:
        """Give a group this plugin with this configuration, whether it had one before or not."""
        document = {"name": name, "config": dict(config), "consumer_group": {"id": str(group)}}
        scoped = [plugin for plugin in self.repository.all(consumer_group_id=group) if plugin.name == name]
        existing = next((p for p in scoped if p.route_id is None and p.service_id is None), None)
        if existing is None:
            return self.create(document)
        after = self.make({**document, "id": str(existing.id)}, existing)
        if self.schema.document(after) | {"updated_at": 0} == self.schema.document(existing) | {
            "updated_at": 0
        }:
            return existing  # nothing to tell the gateways
        self.repository.update(existing, after)
        return after


def _key(scope: UUID | None) -> dict[str, str] | None:
    return None if scope is None else {"id": str(scope)}
