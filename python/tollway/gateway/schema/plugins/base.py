"""What a plugin's schema consists of, and the entity schema that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tollway.gateway.schema import common
from tollway.gateway.schema.entity import EntityCheck, EntitySchema
from tollway.gateway.schema.fields import Array, Boolean, Foreign, Record, String
from tollway.gateway.schema.violation import Problem

__all__ = ["PluginSchema", "plugin_schema"]


@dataclass(frozen=True)
class PluginSchema:
    """One plugin: `priority` is its place in the chain (higher runs first), as Kong numbers it.

    `identifies`: it establishes who calls, so it cannot depend on who calls.
    """

    name: str
    priority: int
    config: Record
    checks: Sequence[EntityCheck] = ()
    identifies: bool = False


def _one_subject(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
    # No rank of the precedence list (docs/seller/admin-api.md) has both: it would never run.
    if document["consumer"] and document["consumer_group"]:
        return {"@entity": ["only one or none of these fields must be set: 'consumer', 'consumer_group'"]}
    return None


_BASE = EntitySchema(
    name="plugins",
    key="instance_name",
    record=Record(
        fields={
            **common.identity(),
            "name": String(required=True, len_max=64),
            "instance_name": common.name(),
            "route": Foreign(reference="routes"),
            "service": Foreign(reference="services"),
            "consumer": Foreign(reference="consumers", key="username"),
            "consumer_group": Foreign(reference="consumer_groups"),
            "config": Record(fields={}),
            "protocols": Array(
                elements=String(one_of=common.PROTOCOLS),
                unique_elements=True,
                required=True,
                default=list(common.HTTP_PROTOCOLS),
            ),
            "enabled": Boolean(default=True, required=True),
            "tags": common.tags(),
        }
    ),
    checks=(EntityCheck({"mutually_exclusive": ["consumer", "consumer_group"]}, _one_subject),),
)


def plugin_schema(plugin: PluginSchema | None) -> EntitySchema:
    """Return the schema of the entity `plugins` where it is this plugin; without one, the bare frame."""
    if plugin is None:
        return _BASE
    fields = dict(_BASE.record.fields)
    fields["config"] = plugin.config
    fields["protocols"] = replace(
        _BASE.record.fields["protocols"],
        elements=String(one_of=common.HTTP_PROTOCOLS),  # type: ignore[call-arg]  # it is an Array
    )
    if plugin.identifies:
        for name in ("consumer", "consumer_group"):
            fields[name] = replace(fields[name], allowed=False)  # type: ignore[call-arg]  # a Foreign
    return EntitySchema(
        name=_BASE.name,
        key=_BASE.key,
        record=Record(fields=fields),
        checks=(*_BASE.checks, *plugin.checks),
    )
