"""The gateway's entities, as Kong knows them. Instants are aware UTC; timeouts are milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tollway.contracts.entitlement import EntitlementView, Offer
from tollway.kernel.mode import Mode

__all__ = [
    "Acl",
    "Attribution",
    "CaCertificate",
    "Certificate",
    "Consumer",
    "ConsumerGroup",
    "Entity",
    "KeyAuth",
    "Plugin",
    "Route",
    "Service",
    "Shop",
    "Sni",
    "Target",
    "Upstream",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What every entity has."""

    id: UUID
    tags: tuple[str, ...] | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Entity):
    """An upstream API."""

    name: str | None
    protocol: str
    host: str
    port: int
    path: str | None
    connect_timeout: int
    write_timeout: int
    read_timeout: int
    retries: int
    enabled: bool
    client_certificate_id: UUID | None
    tls_verify: bool | None
    tls_verify_depth: int | None
    ca_certificates: tuple[str, ...] | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Entity):
    """A match rule that leads requests to a service."""

    name: str | None
    protocols: tuple[str, ...]
    methods: tuple[str, ...] | None
    hosts: tuple[str, ...] | None
    paths: tuple[str, ...] | None
    headers: Mapping[str, list[str]] | None
    https_redirect_status_code: int
    regex_priority: int
    strip_path: bool
    path_handling: str
    preserve_host: bool
    request_buffering: bool
    response_buffering: bool
    snis: tuple[str, ...] | None
    service_id: UUID | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream(Entity):
    """Several addresses behind one name: a service whose `host` is the name is balanced over them."""

    name: str
    algorithm: str
    hash_on: str
    hash_fallback: str
    hash_on_header: str | None
    hash_fallback_header: str | None
    hash_on_cookie: str | None
    hash_on_cookie_path: str
    hash_on_query_arg: str | None
    hash_fallback_query_arg: str | None
    hash_on_uri_capture: str | None
    hash_fallback_uri_capture: str | None
    slots: int
    healthchecks: Mapping[str, Any]
    host_header: str | None
    client_certificate_id: UUID | None
    use_srv_name: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Entity):
    """An address of an upstream, `host:port`; one of weight 0 gets nothing."""

    upstream_id: UUID
    target: str
    weight: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Entity):
    """What the gateway shows as its own: PEM chains, leaf first, and private keys encrypted at rest.

    `snis` are the names under which clients ask for it: entities of their own, listed here in order.
    """

    cert: str
    key_encrypted: bytes
    cert_alt: str | None
    key_alt_encrypted: bytes | None
    snis: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sni(Entity):
    """A name under which clients ask for a certificate."""

    name: str
    certificate_id: UUID
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaCertificate(Entity):
    """Who may sign what upstreams show; `cert_digest` is the hex of its SHA-256."""

    cert: str
    cert_digest: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Who pays for a consumer's requests, under which phase of a subscription, for money or practice."""

    customer_id: UUID | None
    phase_id: UUID | None
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer(Entity):
    """A calling identity; `entitlement` is what its subscription grants now, None without one in force."""

    username: str | None
    custom_id: str | None
    attribution: Attribution
    entitlement: EntitlementView | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAuth(Entity):
    """An API key of a consumer. The key itself is nowhere, unless its owner supplied it.

    `hash` is the hex of HMAC-SHA256(pepper, key), `encrypted` a supplied key under the at-rest key. From
    `expires_at` on the key opens nothing; None: it lasts until it is deleted.
    """

    consumer_id: UUID
    hash: str
    pepper_id: str
    last_four: str
    encrypted: bytes | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl(Entity):
    """A consumer's membership in a group that the acl plugin tells apart."""

    consumer_id: UUID
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerGroup(Entity):
    """Consumers that share plugins: a plan is one."""

    name: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin(Entity):
    """A request policy, for all requests or for those of a route, service, consumer or group."""

    name: str
    instance_name: str | None
    enabled: bool
    config: Mapping[str, Any]
    protocols: tuple[str, ...]
    service_id: UUID | None
    route_id: UUID | None
    consumer_id: UUID | None
    consumer_group_id: UUID | None
    updated_at: datetime

    @property
    def scope(self) -> str:
        """What may exist once: the plugin's name and everything that it is scoped to."""
        scopes = (self.route_id, self.service_id, self.consumer_id, self.consumer_group_id)
        return ":".join([self.name, *(str(scope) if scope else "" for scope in scopes)])


@dataclass(frozen=True, slots=True)
class Shop:
    """Where refused callers are sent: which plans and add-ons have which feature, and the portal's origin."""

    offers: tuple[Offer, ...] = ()
    portal_url: str | None = None
