"""The configuration as gateways get it: base and rows, as docs/maintainer/formats.md (section 1) says.

Pure functions from entities to JSON values; golden files in tests/contract/ keep their shape.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from tollway.contracts.configuration import Base, ConsumerRow, KeyAuthRow, PluginPart, Reference
from tollway.gateway.models import Plugin, Route, Service
from tollway.gateway.ports import BaseParts, ConsumerEntry, KeyEntry

__all__ = ["base", "consumer_row", "encode", "key_auth_row"]


def base(parts: BaseParts) -> Base:
    """Return the complete part."""
    return {
        "services": [_service(service) for service in parts.services],
        "routes": [_route(route) for route in parts.routes],
        "consumer_groups": [{"id": str(group.id), "name": group.name} for group in parts.consumer_groups],
        "plugins": [_plugin(plugin) for plugin in parts.plugins],
    }


def consumer_row(entry: ConsumerEntry) -> ConsumerRow:
    """Return a row of the table `consumers`."""
    return {
        "id": str(entry.id),
        "username": entry.username,
        "custom_id": entry.custom_id,
        "groups": [str(group) for group in entry.groups],
        "acls": list(entry.acls),
        "plugins": [_plugin(plugin) for plugin in entry.plugins],
        "customer": None if entry.customer_id is None else str(entry.customer_id),
        "phase": None if entry.phase_id is None else str(entry.phase_id),
        "mode": entry.mode,
    }


def key_auth_row(entry: KeyEntry) -> KeyAuthRow:
    """Return a row of the table `key_auth`."""
    return {"id": str(entry.id), "hash": entry.hash, "consumer": str(entry.consumer_id)}


def encode(value: Any) -> bytes:
    """Write JSON as it travels: compact UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _service(service: Service) -> Any:
    return {
        "id": str(service.id),
        "name": service.name,
        "protocol": service.protocol,
        "host": service.host,
        "port": service.port,
        "path": service.path,
        "connect_timeout": service.connect_timeout,
        "write_timeout": service.write_timeout,
        "read_timeout": service.read_timeout,
        "retries": service.retries,
        "enabled": service.enabled,
        "tags": _list(service.tags),
    }


def _route(route: Route) -> Any:
    return {
        "id": str(route.id),
        "name": route.name,
        "protocols": list(route.protocols),
        "methods": _list(route.methods),
        "hosts": _list(route.hosts),
        "paths": _list(route.paths),
        "headers": None if route.headers is None else dict(route.headers),
        "regex_priority": route.regex_priority,
        "strip_path": route.strip_path,
        "preserve_host": route.preserve_host,
        "path_handling": route.path_handling,
        "https_redirect_status_code": route.https_redirect_status_code,
        "request_buffering": route.request_buffering,
        "response_buffering": route.response_buffering,
        "service": _reference(route.service_id),
        "created_at": _seconds(route.created_at),
    }


def _plugin(plugin: Plugin) -> PluginPart:
    return {
        "id": str(plugin.id),
        "name": plugin.name,
        "enabled": plugin.enabled,
        "config": dict(plugin.config),
        "route": _reference(plugin.route_id),
        "service": _reference(plugin.service_id),
        "consumer_group": _reference(plugin.consumer_group_id),
    }


def _reference(target: UUID | None) -> Reference | None:
    return None if target is None else {"id": str(target)}


def _list(value: tuple[str, ...] | None) -> list[str] | None:
    return None if value is None else list(value)


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
