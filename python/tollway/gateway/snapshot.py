"""The configuration as gateways get it: base and rows, as docs/maintainer/formats.md (section 1) says.

Pure functions from entities to JSON values; golden files in tests/contract/ keep their shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tollway.contracts.configuration import (
    ConsumerRow,
    GroupPart,
    KeyAuthRow,
    PluginPart,
    Reference,
    RoutePart,
    ServicePart,
)
from tollway.gateway.models import ConsumerGroup, Plugin, Route, Service, Shop
from tollway.gateway.ports import ConsumerEntry, KeyEntry

__all__ = ["base_part", "consumer_row", "encode", "join_base", "key_auth_row", "shop_part", "with_base"]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def base_part(entity: Service | Route | ConsumerGroup | Plugin) -> bytes:
    """Return an entity's JSON in the base."""
    if isinstance(entity, Service):
        return encode(_service(entity))
    if isinstance(entity, Route):
        return encode(_route(entity))
    return encode(_plugin(entity) if isinstance(entity, Plugin) else _group(entity))


def shop_part(shop: Shop) -> bytes:
    """Return the base's members that say what there is to buy, without the braces."""
    return encode({"offers": list(shop.offers), "portal_url": shop.portal_url})[1:-1]


def join_base(
    *,
    services: Iterable[bytes],
    routes: Iterable[bytes],
    consumer_groups: Iterable[bytes],
    plugins: Iterable[bytes],
    shop: bytes,
) -> bytes:
    """Return the base's JSON from that of its parts. Routes oldest first: the older of two equals wins."""
    lists = {
        b"services": services,
        b"routes": routes,
        b"consumer_groups": consumer_groups,
        b"plugins": plugins,
    }
    fields = (b'"' + name + b'":[' + b",".join(parts) + b"]" for name, parts in lists.items())
    return b"{" + b",".join([*fields, shop]) + b"}"


def with_base(frame: Mapping[str, Any], base: bytes) -> bytes:
    """Return a frame's JSON with the base, which is JSON already."""
    return encode(frame)[:-1] + b',"base":' + base + b"}"


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
        "entitlement": entry.entitlement,
    }


def key_auth_row(entry: KeyEntry) -> KeyAuthRow:
    """Return a row of the table `key_auth`."""
    return {
        "id": str(entry.id),
        "hash": entry.hash,
        "consumer": str(entry.consumer_id),
        "expires_at": None if entry.expires_at is None else _microseconds(entry.expires_at),
    }


def encode(value: Any) -> bytes:
    """Write JSON as it travels: compact UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _service(service: Service) -> ServicePart:
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


def _group(group: ConsumerGroup) -> GroupPart:
    return {"id": str(group.id), "name": group.name}


def _route(route: Route) -> RoutePart:
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


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
