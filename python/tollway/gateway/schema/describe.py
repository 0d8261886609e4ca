"""A schema as Kong's `/schemas` endpoints show it.

`{"fields": [{"name": {"type": …}}], "entity_checks": []}`.
decK and Terraform read types and defaults from here to know what a server fills in by itself.
"""

from __future__ import annotations

from typing import Any

from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.fields import Array, Field, Foreign, Integer, Map, Number, Record, String

__all__ = ["describe", "describe_plugin"]


def describe(schema: EntitySchema) -> dict[str, Any]:
    """Return the JSON of one entity's schema."""
    return {
        "fields": [{name: _field(part)} for name, part in schema.record.fields.items()],
        "entity_checks": [dict(check.description) for check in schema.checks],
    }


def describe_plugin(schema: EntitySchema) -> dict[str, Any]:
    """Return the JSON of one plugin's schema: only what it says beyond what all plugins have."""
    shown = ("protocols", "consumer", "consumer_group", "config")
    return {
        "fields": [
            {name: _field(part)}
            for name, part in schema.record.fields.items()
            if name in shown and not (isinstance(part, Foreign) and part.allowed)
        ],
        "entity_checks": [dict(check.description) for check in schema.checks],
    }


def _field(part: Field) -> dict[str, Any]:
    result: dict[str, Any] = {"type": part.kind}
    for flag in ("required", "auto", "unique"):
        if getattr(part, flag):
            result[flag] = True
    if part.default is not None:
        result["default"] = part.default
    if part.one_of:
        result["one_of"] = list(part.one_of)
    result |= _own(part)
    return result


def _own(part: Field) -> dict[str, Any]:
    """What only this type of field has."""
    result: dict[str, Any] = {}
    if isinstance(part, String):
        result = {"uuid": True} if part.uuid else {} if part.len_min else {"len_min": 0}
    elif isinstance(part, Number):
        result = _limits(part)
    elif isinstance(part, Array):
        result = {"elements": _field(part.elements)}
    elif isinstance(part, Map):
        result = {"keys": _field(part.keys), "values": _field(part.values)}
    elif isinstance(part, Record):
        result = {"fields": [{name: _field(inner)} for name, inner in part.fields.items()]}
    elif isinstance(part, Foreign):
        result = {"reference": part.reference} | ({} if part.allowed else {"eq": None})
    return result


def _limits(part: Number) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if part.between:
        result["between"] = list(part.between)
    if part.gt is not None:
        result["gt"] = part.gt
    if isinstance(part, Integer) and part.timestamp:
        result["timestamp"] = True
    return result
