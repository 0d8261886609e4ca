"""The configuration as gateways get it: base and rows, as docs/maintainer/formats.md (section 1) says.

Pure functions from entities to JSON values; golden files in tests/contract/ keep their shape.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from tollway.contracts.configuration import (
    CaCertificatePart,
    CertificatePart,
    ConsumerRow,
    GroupPart,
    KeyAuthRow,
    PluginPart,
    Reference,
    RoutePart,
    ServicePart,
    TargetPart,
    UpstreamPart,
)
from tollway.gateway.models import CaCertificate, ConsumerGroup, Plugin, Route, Service, Shop, Target
from tollway.gateway.ports import CertificateEntry, ConsumerEntry, KeyEntry, UpstreamEntry

__all__ = [
    "BaseEntity",
    "base_part",
    "consumer_row",
    "encode",
    "join_base",
    "key_auth_row",
    "shop_part",
    "with_base",
]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


BaseEntity: TypeAlias = (
    Service | Route | ConsumerGroup | Plugin | UpstreamEntry | CertificateEntry | CaCertificate
)


def base_part(entity: BaseEntity) -> bytes:
    """Return an entity's JSON in the base."""
    parts: dict[type[Any], Callable[[Any], Any]] = {
        Service: _service,
        Route: _route,
        ConsumerGroup: _group,
        Plugin: _plugin,
        UpstreamEntry: _upstream,
        CertificateEntry: _certificate,
        CaCertificate: _ca_certificate,
    }
    return encode(parts[type(entity)](entity))


def shop_part(shop: Shop) -> bytes:
    """Return the base's members that say what there is to buy, without the braces."""
    return encode({"offers": list(shop.offers), "portal_url": shop.portal_url})[1:-1]


def join_base(
    *,
    services: Iterable[bytes],
    routes: Iterable[bytes],
    consumer_groups: Iterable[bytes],
    plugins: Iterable[bytes],
    upstreams: Iterable[bytes],
    certificates: Iterable[bytes],
    ca_certificates: Iterable[bytes],
    shop: bytes,
) -> bytes:
    """Return the base's JSON from that of its parts. Routes oldest first: the older of two equals wins."""
    lists = {
        b"services": services,
        b"routes": routes,
        b"consumer_groups": consumer_groups,
        b"plugins": plugins,
        b"upstreams": upstreams,
        b"certificates": certificates,
        b"ca_certificates": ca_certificates,
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
        "tls_verify": service.tls_verify,
        "tls_verify_depth": service.tls_verify_depth,
        "ca_certificates": _list(service.ca_certificates),
        "client_certificate": _reference(service.client_certificate_id),
        "tags": _list(service.tags),
    }


def _upstream(entry: UpstreamEntry) -> UpstreamPart:
    upstream = entry.upstream
    return {
        "id": str(upstream.id),
        "name": upstream.name,
        "algorithm": upstream.algorithm,
        "hash_on": upstream.hash_on,
        "hash_fallback": upstream.hash_fallback,
        "hash_on_header": upstream.hash_on_header,
        "hash_fallback_header": upstream.hash_fallback_header,
        "hash_on_cookie": upstream.hash_on_cookie,
        "hash_on_cookie_path": upstream.hash_on_cookie_path,
        "hash_on_query_arg": upstream.hash_on_query_arg,
        "hash_fallback_query_arg": upstream.hash_fallback_query_arg,
        "hash_on_uri_capture": upstream.hash_on_uri_capture,
        "hash_fallback_uri_capture": upstream.hash_fallback_uri_capture,
        "slots": upstream.slots,
        "healthchecks": dict(upstream.healthchecks),
        "host_header": upstream.host_header,
        "client_certificate": _reference(upstream.client_certificate_id),
        "use_srv_name": upstream.use_srv_name,
        "tags": _list(upstream.tags),
        "targets": [_target(target) for target in entry.targets],
    }


def _target(target: Target) -> TargetPart:
    return {
        "id": str(target.id),
        "target": target.target,
        "weight": target.weight,
        "tags": _list(target.tags),
    }


def _certificate(entry: CertificateEntry) -> CertificatePart:
    certificate = entry.certificate
    return {
        "id": str(certificate.id),
        "cert": certificate.cert,
        "key": entry.key,
        "cert_alt": certificate.cert_alt,
        "key_alt": entry.key_alt,
        "snis": [name.lower() for name in certificate.snis],
        "tags": _list(certificate.tags),
    }


def _ca_certificate(authority: CaCertificate) -> CaCertificatePart:
    return {"id": str(authority.id), "cert": authority.cert, "tags": _list(authority.tags)}


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
        # Names in a handshake are compared without regard to case.
        "snis": None if route.snis is None else [name.lower() for name in route.snis],
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
